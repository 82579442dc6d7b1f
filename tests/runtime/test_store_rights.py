"""Who may read what a command writes, who may hold its lock, and what an unreadable file is called."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, trio_store

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.store import Store

OLD, NEW = "2026.11.14", "2026.11.21"
NOBODY = 65534
OPEN = """
import sys
from gradus_runtime import Predictor
from gradus_runtime.errors import GradusError
try:
    Predictor.open(sys.argv[1])
except GradusError as e:
    print(type(e).__name__, e)
"""
GRADUS = [sys.executable, "-c", "import sys; from gradus_runtime.cli import main; sys.exit(main())"]


def _without_the_rights_of_root() -> None:
    """In a child of root: modes mean something for it again (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):
        assert libc.prctl(24, capability, 0, 0, 0) == 0


def as_another(command: list[str], place: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as a user to whom modes mean something."""
    before = _without_the_rights_of_root if os.geteuid() == 0 else None
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=before, cwd=place)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="gradus-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def store(place: Path) -> Store:
    return trio_store(place / "trio", pinned=OLD)


def modes(store: Store) -> dict[str, int]:
    return {
        str(p.relative_to(store.path)): stat.S_IMODE(p.lstat().st_mode)
        for p in sorted(store.path.rglob("*"))
        if p.name != ".lock"
    }


@pytest.fixture
def narrow() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o700, 0o2775])
@pytest.mark.usefixtures("narrow")
def test_what_a_command_writes_may_be_read_by_who_may_read_the_store(mode: int, place: Path) -> None:
    store = trio_store(place / "trio", pinned=OLD)
    store.path.chmod(mode)
    assert main(["publish", str(OLDER_TRIO), "--store", str(place / "other")]) == 0
    shutil.rmtree(store.path / "versions" / NEW)
    (store.path / "versions").chmod(mode)
    (store.path / "history.jsonl").unlink()
    assert main(["publish", str(TRIO), "--pin", "--store", str(store.path)]) == 0
    found = modes(store)
    for name in ("pin.json", "history.jsonl", "versions", f"versions/{NEW}", f"versions/{NEW}/manifest.json"):
        readable = 0o555 if (store.path / name).is_dir() else 0o444
        assert found[name] & 0o555 == mode & readable, name
    assert found["pin.json"] & 0o022 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as somebody else")
@pytest.mark.usefixtures("narrow")
def test_what_root_writes_belongs_to_the_owner_of_the_store(store: Store) -> None:
    for path in (store.path, *store.path.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    store.path.chmod(0o750)
    shutil.rmtree(store.path / "versions" / NEW)
    assert main(["publish", str(TRIO), "--pin", "--store", str(store.path)]) == 0
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in store.path.rglob("*")} == {(NOBODY, NOBODY)}
    assert (store.path / "pin.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as somebody else")
def test_a_reader_cannot_hold_the_lock(store: Store) -> None:
    for path in (store.path, *store.path.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    assert main(["pin", NEW, "--store", str(store.path)]) == 0
    (store.path / ".lock").chmod(0o644)  # as an older gradus left it
    assert main(["pin", OLD, "--store", str(store.path)]) == 0
    hold = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)"
    done = as_another([sys.executable, "-c", hold, str(store.path / ".lock")])
    assert "PermissionError" in done.stderr
    assert main(["rollback", "--store", str(store.path)]) == 0


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o777])
def test_who_may_write_the_store_may_take_its_lock_and_nobody_else(mode: int, store: Store) -> None:
    store.path.chmod(mode)
    assert main(["pin", NEW, "--store", str(store.path)]) == 0
    found = stat.S_IMODE((store.path / ".lock").stat().st_mode)
    assert found == {0o755: 0o600, 0o775: 0o660, 0o777: 0o666}[mode]


def linked(store: Store, name: str = "backup") -> Store:
    """A hard-linked copy, as `cp -al` makes it."""
    copy = store.path.parent / name
    subprocess.run(["cp", "-al", str(store.path), str(copy)], check=True)
    return Store(copy)


def test_a_hard_linked_copy_stops_neither_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    copy = linked(store)
    before = {p.name: p.read_bytes() for p in copy.path.iterdir() if p.is_file()}
    for one in (store, copy):
        with Predictor.open(one.path) as bot:
            assert bot.info().version == OLD
        assert main(["verify", "--store", str(one.path)]) == 0
        assert main(["validate", str(one.path)]) == 0
        assert main(["list", "--store", str(one.path)]) == 0
    assert main(["pin", NEW, "--store", str(store.path)]) == 0
    assert {p.name: p.read_bytes() for p in copy.path.iterdir() if p.is_file()} == before
    assert main(["verify", "--store", str(copy.path)]) == 0
    assert main(["rollback", "--store", str(store.path)]) == 0
    assert main(["gc", "--keep", "0", "--keep-pinned", "0", "--store", str(store.path)]) == 0
    assert store.versions() == (OLD,)
    assert copy.versions() == (OLD, NEW)
    assert main(["verify", "--store", str(copy.path)]) == 0
    assert main(["verify", "--store", str(store.path)]) == 0


def test_a_torn_history_is_cut_in_the_store_and_not_in_its_copy(store: Store) -> None:
    with (store.path / "history.jsonl").open("ab") as file:
        file.write(b'{"torn')
    copy = linked(store)
    assert main(["pin", NEW, "--store", str(store.path)]) == 0
    assert (copy.path / "history.jsonl").read_bytes().endswith(b'{"torn')
    assert len(store.history()) == 4


def test_who_holds_the_lock_of_a_copy_stops_the_store_once_at_most(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = linked(store)
    assert main(["pin", NEW, "--store", str(store.path)]) == 0
    assert (copy.path / ".lock").stat().st_ino != (store.path / ".lock").stat().st_ino
    held = os.open(copy.path / ".lock", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    started = time.monotonic()
    assert main(["pin", OLD, "--store", str(store.path)]) == 0
    os.close(held)
    assert time.monotonic() - started < 50


def test_a_hard_linked_file_is_proved_like_any_other(store: Store) -> None:
    copy = linked(store)
    path = copy.path / "versions" / OLD / "level1.onnx"
    data = path.read_bytes()
    with path.open("r+b") as file:  # in place: the store's own file changes with it
        file.write(bytes([data[0] ^ 1]))
    assert main(["verify", "--store", str(store.path)]) == 1
    with Predictor.open(store.path) as bot:
        bot.decide({})
        assert main(["pin", NEW, "--store", str(store.path)]) == 0


UNREADABLE = [
    ("pin.json", ["info"]),
    ("pin.json", ["verify"]),
    ("pin.json", ["list"]),
    ("pin.json", ["validate"]),
    ("versions", ["info"]),
    ("versions", ["verify"]),
    ("versions", ["list"]),
    ("versions", ["validate"]),
    (f"versions/{OLD}", ["info"]),
    (f"versions/{OLD}", ["verify"]),
    (f"versions/{OLD}", ["validate"]),
    (f"versions/{OLD}/manifest.json", ["info"]),
    (f"versions/{OLD}/manifest.json", ["verify"]),
    (f"versions/{OLD}/manifest.json", ["validate"]),
    (f"versions/{OLD}/level1.onnx", ["info"]),
    (f"versions/{OLD}/level1.onnx", ["health"]),
    (f"versions/{OLD}/level1.onnx", ["verify"]),
    (f"versions/{OLD}/level1.onnx", ["validate"]),
    ("history.jsonl", ["history"]),
    ("history.jsonl", ["verify"]),
    ("history.jsonl", ["validate"]),
    ("", ["info"]),
    ("", ["health"]),
    ("", ["verify"]),
    ("", ["list"]),
    ("", ["history"]),
    ("", ["validate"]),
    ("", ["pin", NEW]),
    (".lock", ["pin", NEW]),
    ("", ["gc", "--keep", "1"]),
    ("", ["diff", OLD, NEW]),
    (f"versions/{OLD}", ["diff", OLD, NEW]),
    ("", ["export", OLD, "out.zip"]),
    (f"versions/{OLD}/level1.onnx", ["export", OLD, "out.zip"]),
    ("", ["wheel", OLD]),
    ("", ["backup", "backups"]),
    ("pin.json", ["backup", "backups"]),
    ("history.jsonl", ["backup", "backups"]),
    (f"versions/{OLD}/level1.onnx", ["backup", "backups"]),
    ("", ["publish", str(TRIO)]),
]
WRITES = ("pin", "gc", "publish")


@pytest.mark.parametrize(("name", "command"), UNREADABLE)
def test_what_may_not_be_read_is_said_with_the_right_that_is_needed(
    name: str, command: list[str], store: Store, place: Path
) -> None:
    (store.path / name).chmod(0)
    source = [] if command[0] in ("info", "health", "validate") else ["--store"]
    done = as_another([*GRADUS, *command, *source, str(store.path)], place)
    (store.path / name).chmod(0o755)
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    assert done.returncode in (1, 3)
    assert "Permission denied" in text
    if command[0] not in WRITES:
        assert "right to read" in text
        assert "right to write" not in text


def test_a_raw_permission_error_never_leaves_the_predictor(store: Store) -> None:
    for name in ("", "versions", f"versions/{OLD}", f"versions/{OLD}/manifest.json"):
        (store.path / name).chmod(0)
        done = as_another([sys.executable, "-c", OPEN, str(store.path)])
        (store.path / name).chmod(0o755)
        assert "EnvironmentFailedError" in done.stdout, (name, done.stderr)
        assert "right to read" in done.stdout
