"""What is pinned can serve: the golden rows are replayed here first; texts and modes do no harm either."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, changed, full_row, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import RuntimeRequirement
from gradus_runtime.store import Store

OLD, NEW = "2026.11.14", "2026.11.21"
GRAPHS = {f"level{i}.onnx": (TRIO / f"level{i}.onnx").read_bytes() for i in (1, 2, 3)}

UNFIT = {
    "zeroed graphs": {name: bytes(len(data)) for name, data in GRAPHS.items()},
    "one zeroed graph": {"level3.onnx": bytes(len(GRAPHS["level3.onnx"]))},
    "no graph": {"level1.onnx": b"none"},
    "the graph of another level": {"level1.onnx": GRAPHS["level2.onnx"]},
    "golden rows that are text": {"golden.npz": b"golden rows"},
    "golden rows of another artifact": {
        "golden.npz": (TRIO.parent.parent / "pair" / NEW / "golden.npz").read_bytes()
    },
    "golden rows of an older version": {"golden.npz": (OLDER_TRIO / "golden.npz").read_bytes()},
    "a graph cut in half": {"level2.onnx": GRAPHS["level2.onnx"][:700]},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return trio_store(tmp_path / "trio", pinned=OLD)


def with_newest(tmp_path: Path, **options: Any) -> Store:
    """A store whose newest version is a variant; the older one is pinned."""
    versions = tmp_path / "odd" / "versions"
    shutil.copytree(OLDER_TRIO, versions / OLD)
    variant(TRIO, versions / NEW, **options)
    store = Store(tmp_path / "odd")
    store.pin(OLD, actor="test")
    return store


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("command", [["pin", NEW], ["rollback", "--to", NEW]], ids=["pin", "rollback"])
def test_a_version_that_cannot_serve_is_not_pinned(
    kind: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = with_newest(tmp_path, files=UNFIT[kind])
    before = {p.name: p.read_bytes() for p in store.path.iterdir() if p.is_file()}
    assert main([*command, "--store", str(store.path)]) == 1
    error = capsys.readouterr().err
    assert "--no-check" not in error  # nothing may serve it anywhere: that is no matter of this machine
    assert "level" in error or "golden" in error
    assert {p.name: p.read_bytes() for p in store.path.iterdir() if p.is_file()} == before


@pytest.mark.parametrize("need", [RuntimeRequirement("99.0", ()), None], ids=["too old", "known to be bad"])
def test_where_this_machine_may_not_serve_the_version_pin_says_so_and_asks_for_no_check(
    need: RuntimeRequirement | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    store = with_newest(
        tmp_path, change=changed(runtime=need or RuntimeRequirement("1.20", (onnxruntime.__version__,)))
    )
    options = ["pin", NEW, "--store", str(store.path)]
    assert main(options) == 3
    error = capsys.readouterr().err
    assert "onnxruntime must be" in error
    assert "--no-check" in error
    assert store.pin_state().version == OLD  # type: ignore[union-attr]
    assert main([*options, "--no-check"]) == 0
    assert store.pin_state().version == NEW  # type: ignore[union-attr]
    assert main(["rollback", "--to", OLD, "--store", str(store.path)]) == 0
    assert main(["rollback", "--to", NEW, "--store", str(store.path)]) == 3
    assert main(["rollback", "--to", NEW, "--store", str(store.path), "--no-check"]) == 0


def test_no_check_still_proves_every_byte(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.path / "versions" / NEW / "level3.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert main(["pin", NEW, "--no-check", "--store", str(store.path)]) == 1
    assert "a file must have the SHA-256" in capsys.readouterr().err


def test_what_is_sound_is_pinned(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pin", NEW, "--store", str(store.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pin"]["version"] == NEW


DAMAGES = {
    "a flipped byte": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"more",
    "gone": lambda data: None,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("carrier", ["store", "folder"])
def test_a_damaged_level_file_costs_that_level_however_it_is_damaged(
    damage: str, carrier: str, store: Store
) -> None:
    assert main(["pin", NEW, "--store", str(store.path)]) == 0
    folder = store.path / "versions" / NEW
    path = folder / "level1.onnx"
    data = DAMAGES[damage](path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with Predictor.open(store.path if carrier == "store" else folder) as bot:
        decision = bot.decide(full_row())
        assert decision.level == "level2"
        health = bot.health()
        assert health.status == "degraded"
        assert health.levels[0].problem is not None
        assert "level1.onnx" in health.levels[0].problem
    assert main(["verify", "--store", str(store.path)]) == 1
    assert main(["pin", OLD, "--store", str(store.path)]) == 0
    assert main(["pin", NEW, "--store", str(store.path)]) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_level_file_of_a_new_pin_leaves_the_old_version_serving(damage: str, store: Store) -> None:
    with Predictor.open(store.path) as bot:
        assert main(["pin", NEW, "--store", str(store.path)]) == 0
        path = store.path / "versions" / NEW / "level2.onnx"
        data = DAMAGES[damage](path.read_bytes())
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        assert not bot.reload_if_changed()
        assert bot.info().version == OLD
        assert "level2" in str(bot.health().reload_problem)
