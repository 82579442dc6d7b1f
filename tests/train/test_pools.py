"""Threads, processes and the workers of a cluster give the same bytes, also where a worker dies."""

import os
import signal
import sys
import time
from concurrent.futures import Future

import pytest
from tests.support.cluster import Cluster
from tests.support.training import ORDER, make_dataset, quick_config
from tests.train.test_training_run import digests

from gradus_runtime.cli import main
from gradus_runtime.errors import EnvironmentFailedError, UsageError
from gradus_train.commands import inputs
from gradus_train.run.run import train
from gradus_train.training import jobs, pool_choice
from gradus_train.training.jobs import encode_job, encode_table, fit_job, fit_task
from gradus_train.training.parts import encode_part
from gradus_train.training.pool_choice import open_pool
from gradus_train.training.pools import Processes, followed
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent

KINDS = ("lightgbm", "random_forest")


@pytest.fixture(scope="module")
def plan():
    return prepare(make_dataset(), ORDER, quick_config(KINDS))


@pytest.fixture(scope="module")
def whole(plan, tmp_path_factory):
    """The digests of a run on threads of one process."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(plan, out, jobs=1)
    return digests(out)


def test_a_job_gives_the_bytes_that_its_task_gives_here(plan):
    for task in (plan.tasks[0], plan.tasks[-1]):
        assert fit_job(encode_job(plan, task), encode_table(plan))[0] == fit_task(plan, task)[0]


def test_two_processes_give_the_bytes_of_one(plan, whole, tmp_path):
    with Processes(2, tmp_path / "tables") as pool:
        train(plan, tmp_path / "run", pool=pool)
    assert digests(tmp_path / "run") == whole
    assert not list((tmp_path / "tables").iterdir())


def test_a_worker_with_other_libraries_is_refused(plan, monkeypatch):
    job = encode_job(plan, plan.tasks[0])
    monkeypatch.setattr(jobs, "library_versions", lambda: {"lightgbm": "0.1"})
    with pytest.raises(EnvironmentFailedError, match="a worker must have the libraries of the process"):
        fit_job(job, encode_table(plan))


def test_a_part_that_is_damaged_on_its_way_is_refused_and_not_kept(plan):
    data, seconds = fit_task(plan, plan.tasks[0])
    kept = []
    raw: Future = Future()
    result = followed(raw, kept.append)
    raw.set_result((data[:-1] + bytes([data[-1] ^ 1]), seconds))
    with pytest.raises(EnvironmentFailedError, match="a part must arrive as its worker sent it"):
        result.result(5)
    assert kept == []


def test_a_part_that_nobody_waits_for_any_more_is_kept_all_the_same(plan):
    part = fit_task(plan, plan.tasks[0])
    kept = []
    raw: Future = Future()
    result = followed(raw, kept.append)
    assert result.cancel()
    raw.set_result(part)
    assert kept == [part[0]]


def test_an_address_without_a_protocol_is_refused():
    with pytest.raises(UsageError, match="a scheduler must have an address"):
        open_pool(1, scheduler="host:8786")


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"gradus-train\[dask\]"):
        open_pool(1, scheduler="tcp://127.0.0.1:1")


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    found = Cluster(tmp_path)
    yield found
    found.close()


class KillsAWorker(Silent):
    """Kills a worker after some parts."""

    def __init__(self, victim, after):
        self.victim, self.after, self.done = victim, after, 0

    def finished(self, key, seconds):
        self.done += 1
        if self.done == self.after:
            os.kill(self.victim.pid, signal.SIGKILL)


def test_two_workers_of_a_cluster_give_the_same_bytes_also_with_one_killed_in_the_middle(
    plan, whole, cluster, tmp_path
):
    victim, _ = cluster.worker("first"), cluster.worker("second")
    progress = KillsAWorker(victim, after=3)
    with open_pool(1, scheduler=cluster.address()) as pool:
        while pool.width < 2:
            time.sleep(0.05)
        train(plan, tmp_path / "run", pool=pool, progress=progress)
    assert victim.wait(60) == -signal.SIGKILL
    assert progress.done == len(plan.tasks)
    assert digests(tmp_path / "run") == whole


def test_encoded_parts_are_equal_where_the_parts_are(plan):
    part = fit_task(plan, plan.tasks[0])[0]
    from gradus_train.training.parts import decode_part

    assert encode_part(decode_part(part)) == part


def test_a_search_finds_the_same_on_two_processes(plan, tmp_path):
    import optuna

    from gradus_train.tuning.search import search

    def found(**where):
        storage = optuna.storages.InMemoryStorage()
        return search(plan, storage, n_trials=3, jobs=2, progress=Silent(), **where)

    with Processes(2, tmp_path / "tables") as pool:
        assert found(pool=pool) == found()


def test_a_search_finds_the_same_on_two_workers_of_a_cluster(plan, cluster):
    import optuna

    from gradus_train.tuning.search import search

    def found(**where):
        storage = optuna.storages.InMemoryStorage()
        return search(plan, storage, n_trials=3, jobs=2, progress=Silent(), **where)

    cluster.worker("first")
    cluster.worker("second")
    with open_pool(1, scheduler=cluster.address()) as pool:
        while pool.width < 2:
            time.sleep(0.05)
        assert found(pool=pool) == found()


class Opened(Exception):  # noqa: N818 - no error: it says which pool was asked for
    """A pool was asked for."""


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["train", "--optimize", "--n-trials", "1"],
        ["tune", "--n-trials", "1"],
        ["walk", "--candles", "c.csv", "--from", "2025-03-03", "--to", "2025-03-30"],
    ],
    ids=["train", "train with a search", "tune", "walk"],
)
def test_every_command_that_trains_opens_the_same_pool(words, tmp_path, monkeypatch):
    def asked(jobs, *, scheduler, folder=None):
        raise Opened(scheduler)

    monkeypatch.setattr(pool_choice, "open_pool", asked)
    monkeypatch.setattr(inputs, "read_plan", lambda args, progress: plan_of_nothing)
    monkeypatch.setattr("gradus_train.run.forecast.check_disk", lambda plan, out: None)
    plan_of_nothing = object()
    more = [] if words[0] == "walk" else ["--simulate"]
    with pytest.raises(Opened, match="tcp://host:8786"):
        main([*words, *more, "--scheduler", "tcp://host:8786", "--out", str(tmp_path / "out")])
