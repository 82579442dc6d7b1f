"""gradus as its users run it where `gradus-kernels` is installed: the same artifact, walked by the kernel."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import gradus
from benchmarks.peers.scorer import Scorer
from gradus_runtime import Predictor

__all__ = ["load"]


def load(folder: Path, threads: int) -> Scorer:
    """Open the store; a level that the kernel does not walk is out of service."""
    return gradus.scorer(Predictor.open(folder / "store", threads=threads, kernels="require"), folder)
