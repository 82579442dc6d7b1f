"""Whatever stops a run, nothing half-written is read, and the resumed run gives the same bytes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.training import ORDER, make_dataset, quick_config
from tests.train.test_training_run import digests

from gradus_runtime.contracts import run_folder
from gradus_runtime.errors import DataError, UsageError
from gradus_train.run.run import train, working_folder
from gradus_train.training.parts import PartStore
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Silent

ROOT = Path(__file__).parents[2]
KINDS = ("lightgbm", "random_forest")
SCRIPT = """
import sys
from pathlib import Path
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Lines
from gradus_train.run.run import train
from tests.support.training import ORDER, make_dataset, quick_config
plan = prepare(make_dataset(), ORDER, quick_config(("lightgbm", "random_forest")))
train(plan, Path(sys.argv[1]), jobs=1, progress=Lines(verbose=True))
"""


class CountingSilent(Silent):
    """Counts parts, and presses Ctrl-C after some."""

    def __init__(self, stop_after=None):
        self.trained, self.kept, self.stop_after = [], 0, stop_after

    def start(self, keys, done):
        self.kept = len(done)

    def finished(self, key, seconds):
        self.trained.append(str(key))
        if self.stop_after is not None and len(self.trained) >= self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def plan():
    return prepare(make_dataset(), ORDER, quick_config(KINDS))


@pytest.fixture(scope="module")
def whole(plan, tmp_path_factory):
    """The digests of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(plan, out, jobs=2, progress=Silent())
    return digests(out)


def test_an_interrupted_run_keeps_its_parts_and_resumes_to_the_same_bytes(plan, whole, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(plan, out, jobs=2, progress=CountingSilent(stop_after=4))
    with pytest.raises(DataError, match="must hold finished training"):
        run_folder.load(out)
    resumed = CountingSilent()
    train(plan, out, jobs=2, progress=resumed, resume=True)
    assert 4 <= resumed.kept < len(plan.tasks)
    assert resumed.kept + len(resumed.trained) == len(plan.tasks)
    assert digests(out) == whole


def test_without_resume_the_kept_parts_are_dropped(plan, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(plan, out, jobs=1, progress=CountingSilent(stop_after=2))
    fresh = CountingSilent(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        train(plan, out, jobs=1, progress=fresh)
    assert fresh.kept == 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX systems")
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_killed_process_leaves_parts_that_resume_to_the_same_bytes(plan, whole, tmp_path, number):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("[3/"):
            process.send_signal(number)
            break
    process.stderr.read()
    assert process.wait(60) != 0
    resumed = CountingSilent()
    train(plan, out, jobs=2, progress=resumed, resume=True)
    assert resumed.kept >= 3
    assert digests(out) == whole


def test_a_damaged_or_half_written_part_is_trained_again(plan, whole, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(plan, out, jobs=1, progress=CountingSilent(stop_after=3))
    parts = sorted((out / "parts").glob("*.part"))
    parts[0].write_bytes(parts[0].read_bytes()[:-7])
    flipped = bytearray(parts[1].read_bytes())
    flipped[-1] ^= 1
    parts[1].write_bytes(flipped)
    (out / "parts" / "level1.lightgbm.fold1.half.tmp").write_bytes(b"half")
    resumed = CountingSilent()
    train(plan, out, jobs=2, progress=resumed, resume=True)
    assert resumed.kept == len(parts) - 2
    assert digests(out) == whole


def test_parts_of_other_data_or_settings_are_not_taken(plan, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(plan, out, jobs=1, progress=CountingSilent(stop_after=3))
    for other in (
        prepare(make_dataset(seed=8), ORDER, plan.config),
        prepare(plan.dataset, ORDER, plan.config.with_seed(99)),
    ):
        store = PartStore(out / "parts")
        assert all(store.load(task.key) is None for task in other.tasks)


def test_a_finished_run_stays_until_the_next_one_is_complete(plan, whole, tmp_path):
    out = tmp_path / "run"
    train(plan, out, jobs=2, progress=Silent())
    before = (out / run_folder.METADATA).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        train(plan, out, jobs=1, progress=CountingSilent(stop_after=2))
    assert (out / run_folder.METADATA).read_bytes() == before
    kept = {name: value for name, value in digests(out).items() if not name.startswith("parts")}
    assert kept == whole


def test_two_processes_do_not_train_into_one_folder(plan, tmp_path):
    with (
        working_folder(tmp_path / "run"),
        pytest.raises(UsageError, match=r"one process may train into a folder at a time.*--out"),
    ):
        train(plan, tmp_path / "run", jobs=1, progress=Silent())
