"""`gradus backup` and `gradus restore`: a dated copy, proved, on its own feet; the store is left alone."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, trio_store

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.store import Store

OLD, NEW = "2026.11.14", "2026.11.21"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return trio_store(tmp_path / "trio", pinned=OLD)


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each backup is a day after the one before."""
    from gradus_runtime.store import backup

    days = [0]

    def today() -> datetime:
        days[0] += 1
        return datetime(2026, 12, days[0], 3, 17, 5, tzinfo=UTC)

    monkeypatch.setattr(backup, "now", today)
    return days


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def without_lock(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name != ".lock"}


def back_up(store: Store, dest: Path, *options: str) -> int:
    return main(["backup", str(dest), "--store", str(store.path), *options])


def test_a_backup_is_a_store_of_its_own_with_versions_pin_and_history(
    store: Store, dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(TRIO / "manifest.json", store.path / "versions" / NEW / "build.json")  # any bytes
    before = tree(store.path)
    assert back_up(store, dest) == 0
    out = capsys.readouterr().out
    copy = dest / "trio-20261201T031705Z"
    assert str(copy) in out
    assert tree(store.path) == before
    assert without_lock(tree(copy)) == without_lock(before)
    assert all(p.lstat().st_nlink == 1 for p in copy.rglob("*") if p.is_file())
    assert not any(p.is_symlink() for p in copy.rglob("*"))
    shutil.rmtree(store.path)
    assert main(["verify", "--store", str(copy)]) == 0
    assert main(["verify", str(copy)]) == 0
    with Predictor.open(copy) as bot:
        assert bot.info().version == OLD


def test_the_last_n_are_kept_and_nothing_else_is_touched(store: Store, dest: Path) -> None:
    others = trio_store(store.path.parent / "trio-two", pinned=OLD)
    assert back_up(others, dest) == 0
    (dest / "notes.txt").write_text("mine")
    (dest / "trio-2026").mkdir()
    (dest / "trio-20261199T031705Z").mkdir()
    for _ in range(4):
        assert back_up(store, dest, "--keep", "2") == 0
    names = {p.name for p in dest.iterdir() if not p.name.startswith(".")}
    assert names == {
        "trio-two-20261201T031705Z",
        "notes.txt",
        "trio-2026",
        "trio-20261199T031705Z",
        "trio-20261204T031705Z",
        "trio-20261205T031705Z",
    }


def test_without_keep_all_stay(store: Store, dest: Path) -> None:
    for _ in range(3):
        assert back_up(store, dest) == 0
    assert len(list(dest.glob("trio-*"))) == 3


@pytest.mark.parametrize("keep", ["0", "-1", "x"])
def test_keep_must_be_at_least_1(keep: str, store: Store, dest: Path) -> None:
    try:
        code = back_up(store, dest, "--keep", keep)
    except SystemExit as e:
        code = int(e.code or 0)
    assert code == 2
    assert not dest.exists()


def test_a_damaged_version_is_left_out_and_no_older_backup_is_removed(
    store: Store, dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert back_up(store, dest, "--keep", "1") == 0
    (store.path / "versions" / NEW / "level2.onnx").write_bytes(b"bit rot")
    capsys.readouterr()
    assert back_up(store, dest, "--keep", "1") == 1
    captured = capsys.readouterr()
    assert f"versions/{NEW}" in captured.out + captured.err
    assert "level2.onnx" in captured.out + captured.err
    first, second = sorted(dest.glob("trio-*"))
    assert Store(first).versions() == (OLD, NEW)
    assert Store(second).versions() == (OLD,)
    assert main(["verify", "--store", str(second)]) == 0
    assert back_up(store, dest, "--keep", "1", "--json") == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [left["version"] for left in said["left_out"]] == [NEW]
    assert said["removed"] == []


def test_where_the_pinned_version_is_damaged_there_is_no_backup(
    store: Store, dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert back_up(store, dest, "--keep", "1") == 0
    (store.path / "versions" / OLD / "level2.onnx").write_bytes(b"bit rot")
    assert back_up(store, dest, "--keep", "1") == 1
    assert "the pinned version must be complete" in capsys.readouterr().err
    assert len(list(dest.iterdir())) == 1 + (dest / ".trio.lock").exists()


def test_a_backup_may_not_lie_in_the_store(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for inside in (store.path, store.path / "versions", store.path / "versions" / "backups"):
        before = tree(store.path)
        assert back_up(store, inside) == 2
        assert "must lie outside the store" in capsys.readouterr().err
        assert tree(store.path) == before


def test_a_store_that_was_never_pinned_can_be_backed_up(tmp_path: Path, dest: Path) -> None:
    shutil.copytree(OLDER_TRIO, tmp_path / "new" / "versions" / OLD)
    assert main(["backup", str(dest), "--store", str(tmp_path / "new")]) == 0
    (copy,) = dest.glob("new-*")
    assert Store(copy).versions() == (OLD,)
    assert Store(copy).pin_state() is None


def test_the_pin_in_force_is_backed_up(store: Store, dest: Path) -> None:
    old = (store.path / "pin.json").read_bytes()
    store.pin(NEW, actor="test")
    (store.path / "pin.json").write_bytes(old)
    assert back_up(store, dest) == 0
    (copy,) = dest.glob("trio-*")
    pin = Store(copy).pin_state()
    assert pin is not None
    assert (pin.version, pin.generation) == (NEW, 2)
    assert main(["verify", "--store", str(copy)]) == 0


def test_two_backups_of_one_second_do_not_write_into_each_other(
    store: Store, dest: Path, clock: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert back_up(store, dest) == 0
    clock[0] -= 1
    assert back_up(store, dest) == 3
    assert "must not exist already" in capsys.readouterr().err
    assert len(list(dest.glob("trio-*"))) == 1


def test_restore_brings_a_backup_back_beside_the_old_store(
    store: Store, dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert back_up(store, dest) == 0
    store.pin(NEW, actor="test")
    before = tree(store.path)
    (copy,) = dest.glob("trio-*")
    capsys.readouterr()
    assert main(["restore", str(copy), "--store", str(store.path)]) == 0
    out = capsys.readouterr().out
    beside = store.path.parent / "trio.restored-20261201T031705Z"
    assert f"mv {beside} {store.path}" in out
    assert tree(store.path) == before
    assert without_lock(tree(beside)) == without_lock(tree(copy))
    assert main(["verify", "--store", str(beside)]) == 0
    assert main(["restore", str(copy), "--store", str(store.path)]) == 3
    assert "must not exist already" in capsys.readouterr().err
    with Predictor.open(beside) as bot:
        assert bot.info().version == OLD


def test_restore_fills_an_empty_place(store: Store, dest: Path) -> None:
    assert back_up(store, dest) == 0
    (copy,) = dest.glob("trio-*")
    before = tree(store.path)
    shutil.rmtree(store.path)
    assert main(["restore", str(copy), "--store", str(store.path)]) == 0
    assert without_lock(tree(store.path)) == without_lock(before)
    assert all(p.stat().st_mode & 0o444 for p in store.path.rglob("*"))
    assert main(["pin", NEW, "--store", str(store.path)]) == 0


def test_a_running_bot_follows_a_restored_store(store: Store, dest: Path, tmp_path: Path) -> None:
    assert back_up(store, dest) == 0
    store.pin(NEW, actor="test")
    (copy,) = dest.glob("trio-*")
    with Predictor.open(store.path) as bot:
        assert bot.info().version == NEW
        store.path.rename(tmp_path / "trio.before")
        assert not bot.reload_if_changed()
        assert bot.info().version == NEW
        assert main(["restore", str(copy), "--store", str(store.path)]) == 0
        assert bot.reload_if_changed()
        assert (bot.info().version, bot.health().status) == (OLD, "ok")


@pytest.mark.parametrize("damage", ["level", "pin", "history", "extra", "no version", "an older pin"])
def test_a_damaged_backup_is_not_restored(
    damage: str, store: Store, dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert back_up(store, dest) == 0
    (copy,) = dest.glob("trio-*")
    shutil.rmtree(store.path)
    if damage == "no version":
        shutil.rmtree(copy / "versions" / NEW)
    name, data = {
        "no version": ("notes.txt", b""),
        "an older pin": (
            "pin.json",
            (copy / "pin.json").read_bytes().replace(b'"generation": 1', b'"generation": 0'),
        ),
        "level": (f"versions/{NEW}/level1.onnx", b"rot"),
        "pin": ("pin.json", b"{}"),
        "history": ("history.jsonl", b"rot\n"),
        "extra": (f"versions/{NEW}/extra.onnx", b"more"),
    }[damage]
    (copy / name).unlink(missing_ok=True)  # it is read-only
    (copy / name).write_bytes(data)
    assert main(["restore", str(copy), "--store", str(store.path)]) == 1
    assert (NEW if damage == "no version" else name.split("/")[0]) in capsys.readouterr().err
    assert not store.path.exists()
    assert [p.name for p in store.path.parent.iterdir() if "restor" in p.name] == []


def test_what_is_no_backup_is_refused(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", str(tmp_path), "--store", str(tmp_path / "x")]) == 3
    assert "a store" in capsys.readouterr().err


def test_a_crashed_backup_leaves_nothing_that_counts(store: Store, dest: Path) -> None:
    (dest / ".backup-trio-20260101T000000Z").mkdir(parents=True)
    (dest / ".backup-trio-20260101T000000Z" / "versions").mkdir()
    assert back_up(store, dest, "--keep", "5") == 0
    assert [p.name for p in dest.iterdir() if p.name.startswith(".backup")] == []


def test_a_backup_is_readable_as_the_folder_of_backups(store: Store, dest: Path) -> None:
    dest.mkdir()
    dest.chmod(0o755)
    umask = os.umask(0o077)
    try:
        assert back_up(store, dest) == 0
    finally:
        os.umask(umask)
    (copy,) = dest.glob("trio-*")
    assert (copy / "pin.json").stat().st_mode & 0o777 == 0o644
    assert (copy / "versions" / OLD).stat().st_mode & 0o777 == 0o755
