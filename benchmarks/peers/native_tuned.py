"""Native, with the calls that someone in a hurry finds: no wrappers, no thread pool, bare trees."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import native
from benchmarks.peers.native import prepare
from benchmarks.peers.scorer import Scorer, read_members, vote

__all__ = ["load", "prepare"]


def load(folder: Path, threads: int) -> Scorer:
    """Load the three libraries' models; the forest always uses one thread."""
    return vote([(m.weight, native.tuned(folder / m.file, threads)) for m in read_members(folder)])
