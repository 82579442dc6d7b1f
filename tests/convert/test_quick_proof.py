"""`gradus convert --quick-proof`: the same graphs, held to their libraries on rows without the thresholds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.support import runs

from gradus_convert.artifact import level
from gradus_convert.forest.ir import Forest
from gradus_runtime.cli import main
from gradus_runtime.store import open_artifact


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("run") / "run", models={"level2": runs.members(2)})


def convert(run: Path, store: Path, *more: str) -> int:
    words = ["convert", "--run", str(run), "--store", str(store), "--config", str(run / "artifact.toml")]
    return main([*words, "--version", "2026.1.1", "--no-third-opinion", *more])


def test_it_publishes_the_same_graphs_proved_on_fewer_rows_and_the_card_says_so(run, tmp_path):
    assert convert(run, tmp_path / "full") == 0
    assert convert(run, tmp_path / "quick", "--quick-proof") == 0
    with (
        open_artifact(tmp_path / "full", "2026.1.1") as full,
        open_artifact(tmp_path / "quick", "2026.1.1") as quick,
    ):
        assert quick.read("level2.onnx") == full.read("level2.onnx")
        assert quick.read("golden.npz") == full.read("golden.npz")
        (few,), (all_of_them,) = quick.manifest.levels, full.manifest.levels
        assert few.parity.boundary_rows == 0 < all_of_them.parity.boundary_rows
        assert 0 < few.parity.leaf_checks < all_of_them.parity.leaf_checks
        assert few.bits == all_of_them.bits
        assert "the proof left the thresholds of the trees out" in quick.read("card.md").decode()
        assert "left the thresholds" not in full.read("card.md").decode()


@pytest.mark.parametrize("option", ["--pin", "--pin-anyway"])
def test_what_is_proved_quickly_is_not_pinned(run, tmp_path, capsys, option):
    assert convert(run, tmp_path / "store", "--quick-proof", option) == 2
    assert "must be proved on every threshold before it is pinned" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_tree_with_another_leaf_than_its_librarys_is_refused_by_the_quick_proof_too(
    run, tmp_path, monkeypatch, capsys
):
    """Planted: the compiled form of a member has its thresholds moved."""
    honest = level.build_level

    def moved(voting, *arguments, **options):
        first = voting[0].model
        assert isinstance(first, Forest)
        wrong = dataclasses.replace(first, threshold=first.threshold + 0.5 * (first.feature >= 0))
        return honest([dataclasses.replace(voting[0], model=wrong), *voting[1:]], *arguments, **options)

    monkeypatch.setattr(level, "build_level", moved)
    assert convert(run, tmp_path / "store", "--quick-proof") == 1
    assert "every tree must end at the leaf of its library" in capsys.readouterr().err
