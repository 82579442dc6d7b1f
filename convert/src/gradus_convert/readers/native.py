"""What a reader returns: the member lowered, and the library's own answers to hold it against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.fragment import OnnxFragment
from gradus_convert.forest.ir import Forest

__all__ = ["NativeModel"]


@dataclass(frozen=True, slots=True, eq=False)
class NativeModel:
    """A member in both worlds.

    Attributes:
        library: Its name in `READERS`.
        source: The model, as the library holds it.
        lowered: Its exact form.
        probabilities: float32 [N, F] to float64 [N, n_classes], by the library.
        leaves: float32 [N, F] and a range of trees of `lowered`, whole rounds, to int64 [N, trees]: the leaf
            of each, by the library; None where there are no trees.
        per_round: How many trees the library grows at a time, and can be asked for at once.
        labels: The classes as the library names them, if it does.
        reads_float64: Whether the library reads float64 values as they are: `probabilities` takes them,
            too, and may answer otherwise than for the same rows as float32.
    """

    library: str
    source: object
    lowered: Forest | OnnxFragment
    probabilities: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
    leaves: Callable[[npt.NDArray[np.float32], range], npt.NDArray[np.int64]] | None
    per_round: int
    labels: tuple[object, ...] | None
    reads_float64: bool = False

    @property
    def n_classes(self) -> int:
        """Number of columns of the probabilities."""
        return self.lowered.n_classes
