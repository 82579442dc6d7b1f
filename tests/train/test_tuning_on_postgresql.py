"""Two worker processes, one study, one PostgreSQL: `make tuning-workers`, where Debian's server is."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from gradus_train.tuning.storage import open_storage

ROOT = Path(__file__).parents[2]
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
WORKER = """
import sys
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent
from gradus_train.tuning.search import search
from gradus_train.tuning.storage import open_storage
from tests.support.training import ORDER, make_dataset, quick_config
plan = prepare(make_dataset(), ORDER, quick_config(("logistic_regression",)), ["level1"])
storage = open_storage(sys.argv[1])
search(plan, storage, n_trials=24, jobs=1, progress=Silent(), worker=int(sys.argv[2]))
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not SERVERS, reason="no PostgreSQL server here: apt-get install postgresql"),
]


def as_server_user(command):
    """PostgreSQL refuses to be run by root: root runs it as the user that Debian's package made."""
    return ["runuser", "-u", "postgres", "--", *command] if os.getuid() == 0 else command


@pytest.fixture
def url(tmp_path_factory):
    """A PostgreSQL of our own, on a free port of this machine, with its data in a temporary folder."""
    tools = SERVERS[-1].parent
    folder = tmp_path_factory.mktemp("postgresql")
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        for part in (folder, folder.parent, folder.parent.parent):
            part.chmod(0o755)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    initialise = [str(tools / "initdb"), "-D", str(data), "-U", "tuner", "-A", "trust", "-N"]
    subprocess.run(as_server_user(initialise), check=True, capture_output=True, cwd="/")
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [str(tools / "pg_ctl"), "-D", str(data), "-w", "-o", settings]
    log = ["-l", str(folder / "log")]
    subprocess.run(as_server_user([*control, *log, "start"]), check=True, capture_output=True, cwd="/")
    try:
        yield f"postgresql://tuner@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            as_server_user([*control, "-m", "fast", "stop"]), check=True, capture_output=True, cwd="/"
        )
        shutil.rmtree(folder, ignore_errors=True)


def test_two_processes_share_one_study_on_one_postgresql(url):
    open_storage(url)
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, url, str(number)], cwd=ROOT) for number in range(2)
    ]
    assert [worker.wait(300) for worker in workers] == [0, 0]
    storage = open_storage(url)
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    ended = [
        t for t in trials if t.state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    ]
    assert 24 <= len(ended) <= 25
    assert [t.number for t in trials] == list(range(len(trials)))
    drawn = [t.params["C"] for t in ended]
    assert len(set(drawn)) == len(drawn)
