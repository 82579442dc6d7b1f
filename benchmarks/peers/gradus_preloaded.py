"""gradus with every level loaded and proved at once, as `preload=True` does."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.gradus import prepare, scorer
from benchmarks.peers.scorer import Scorer
from gradus_runtime import Predictor

__all__ = ["load", "prepare"]


def load(folder: Path, threads: int) -> Scorer:
    """Open the store and load all its levels."""
    return scorer(Predictor.open(folder / "store", threads=threads, preload=True), folder)
