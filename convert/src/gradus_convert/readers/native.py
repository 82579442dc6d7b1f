"""What a reader returns: the member lowered, and the library's own answers to hold it against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.fragment import OnnxFragment
from gradus_convert.forest.ir import Forest

__all__ = ["NativeModel", "Predicts", "Task"]

Task = Literal["classes", "values"]
Predicts = Literal["labels", "positive", "probabilities", "values"]


@dataclass(frozen=True, slots=True, eq=False)
class NativeModel:
    """A member in both worlds.

    Attributes:
        library: Its name in `READERS`.
        source: The model, as the library holds it.
        lowered: Its exact form.
        probabilities: float32 [N, F] to float64 [N, n_classes], by the library; of a model of values, to its
            values [N, n_outputs].
        leaves: float32 [N, F] and a range of trees of `lowered`, whole rounds, to int64 [N, trees]: the leaf
            of each, by the library; None where there are no trees.
        per_round: How many trees the library grows at a time, and can be asked for at once.
        labels: The classes as the library names them, if it does.
        reads_float64: Whether the library reads float64 values as they are: `probabilities` takes them,
            too, and may answer otherwise than for the same rows as float32.
        task: Whether the model tells classes apart or gives values, as regressors do.
        predicts: What its own `predict` gives: labels, the probability of the second of two classes, the
            probabilities of all, or values.
        predict: Its own `predict`, of float32 [N, F]; None where that is what `probabilities` says.
        margins: Its own raw scores, of float32 [N, F]: float64 [N, n_outputs]; None where it has none.
        margin_scale: The outputs of `lowered` are such times the library's raw scores.
        feature_names: The names of its columns, where it knows any.
    """

    library: str
    source: object
    lowered: Forest | OnnxFragment
    probabilities: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
    leaves: Callable[[npt.NDArray[np.float32], range], npt.NDArray[np.int64]] | None
    per_round: int
    labels: tuple[object, ...] | None
    reads_float64: bool = False
    task: Task = "classes"
    predicts: Predicts = "labels"
    predict: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]] | None = None
    margins: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]] | None = None
    margin_scale: float = 1.0
    feature_names: tuple[str, ...] | None = None

    @property
    def n_classes(self) -> int:
        """Number of columns of the probabilities."""
        return self.lowered.n_classes
