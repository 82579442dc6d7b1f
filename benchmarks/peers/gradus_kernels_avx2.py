"""The same as `gradus_kernels`, on AVX2 where the processor has AVX-512, too."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.peers import gradus_kernels
from benchmarks.peers.scorer import Scorer

__all__ = ["load"]


def load(folder: Path, threads: int) -> Scorer:
    """Open the store on the lower instruction set."""
    os.environ["GRADUS_KERNELS_ISA"] = "avx2"
    return gradus_kernels.load(folder, threads)
