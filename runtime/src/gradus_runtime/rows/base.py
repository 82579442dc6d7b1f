"""What a table is to the runtime: a number of rows that can be had as float32, a chunk at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CHUNK_ROWS", "SHARED_CHUNK_ROWS", "Float32", "Rows", "Texts"]

CHUNK_ROWS = 2048
"""Rows converted at once: 0.6 MB of float32 at 70 features."""

SHARED_CHUNK_ROWS = 8192
"""The same where threads share them: they meet at the end of each chunk, and some wait there."""

Float32: TypeAlias = "NDArray[np.float32]"


class Texts:
    """Which rows of a table hold text where a number should be, as far as they were read.

    Args:
        count: Number of rows.

    Attributes:
        found: uint16 [count], the column + 1 of the first feature whose value is text, 0 if none is; None
            while no text was found.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.found: NDArray[np.uint16] | None = None

    def note(self, start: int, column: int, texts: NDArray[np.bool_] | None) -> None:
        """Note which rows from `start` on hold text in a column; columns come in their order."""
        if texts is None:
            return
        if self.found is None:
            self.found = np.zeros(self._count, np.uint16)
        part = self.found[start : start + len(texts)]
        part[texts & (part == 0)] = column + 1


class Rows:
    """A table whose columns have been found.

    Attributes:
        count: Number of rows.
        ignored: Names of columns that are no feature of the artifact.
        texts: Which rows hold text, of those that `block` was asked for.
    """

    count: int
    ignored: tuple[Any, ...]
    texts: Texts

    def block(self, start: int, stop: int) -> Float32:
        """Return rows `start` to `stop` as float32 [stop - start, F], in the manifest's order of features.

        NaN or infinity stands where there is no usable value. The result may be a view of the caller's own
        array, or a buffer that the next call overwrites: read it, do not write to it, do not keep it.
        """
        raise NotImplementedError
