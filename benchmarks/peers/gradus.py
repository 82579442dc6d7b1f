"""gradus as its users run it: a published artifact, `decide` on mappings, `predict_proba` on tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.scorer import Rows, Scorer
from gradus_runtime import Predictor

__all__ = ["load", "prepare", "scorer"]


def prepare(run: Path, folder: Path) -> None:
    """Convert, prove, publish and pin, by the command that users type."""
    from gradus_runtime.cli import main

    words = ["convert", "--run", str(run), "--store", str(folder / "store"), "--pin"]
    status = main([*words, "--version", "2026.1.1"])
    if status:
        raise RuntimeError(f"gradus convert ended with {status}")


def load(folder: Path, threads: int) -> Scorer:
    """Open the store."""
    return scorer(Predictor.open(folder / "store", threads=threads), folder)


def scorer(predictor: Predictor, folder: Path) -> Scorer:
    """Return the scorer of an open predictor."""
    names = [str(n) for n in predictor.feature_names_in_]

    def batch(rows: Rows) -> Any:
        return predictor.predict_proba(rows, ordered=True)

    def row(rows: Rows) -> Any:
        return dict(zip(names, rows[0].tolist(), strict=True))

    return Scorer(batch=batch, row=row, one=predictor.decide, inner=_graph(folder))


def _graph(folder: Path) -> Any:
    """Return the bare session's answer to one row.

    It is opened at its first use, after the start and the memory of the predictor are measured.
    """
    opened: list[Any] = []

    def run(rows: Rows) -> Any:
        if not opened:
            from benchmarks.peers import gradus_graph

            (path,) = folder.glob("store/versions/*/level1.onnx")
            graph = gradus_graph.session(path.read_bytes())
            classes = graph.session.get_outputs()[0].shape[1]
            opened.append(gradus_graph.one_row(graph, rows.shape[1], classes))
        return opened[0](rows)

    return run
