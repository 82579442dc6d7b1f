"""What a table is to the runtime: a number of rows that can be had as float32, a chunk at a time."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK_ROWS", "Float32", "Rows"]

CHUNK_ROWS = 2048
"""Rows converted at once: 0.6 MB of float32 at 70 features."""

Float32 = NDArray[np.float32]


class Rows(Protocol):
    """A table whose columns have been found.

    Attributes:
        count: Number of rows.
        ignored: Names of columns that are no feature of the artifact.
    """

    count: int
    ignored: tuple[Any, ...]

    def block(self, start: int, stop: int) -> Float32:
        """Return rows `start` to `stop` as float32 [stop - start, F], in the manifest's order of features.

        NaN or infinity stands where there is no usable value. The result may be a view of the caller's own
        array, or a buffer that the next call overwrites: read it, do not write to it, do not keep it.
        """
        ...
