"""What a reader returns: the member lowered, and the library's own answers to hold it against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.fragment import OnnxFragment
from gradus_convert.forest.ir import Forest
from gradus_convert.forest.pruning import restrict

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
        missing: bool [F], the columns whose NaN the library takes, and `lowered` too; None for no column.
        infinite: bool [F], the columns whose infinities both take; None for no column.
        landmarks: By column, numbers that the library treats in a way of its own, as its model states them
            and whatever `lowered` makes of them: its categories, a number that is missing. The proof tries
            them.
        categories: What the values of a dataframe's category columns were in training, by their numbers,
            which are what `lowered` reads: a tuple for each such column, in the order of the columns. Empty
            where the library knows none; None where it reads such columns by their values.
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
    missing: npt.NDArray[np.bool_] | None = None
    infinite: npt.NDArray[np.bool_] | None = None
    landmarks: Mapping[int, Sequence[float]] = field(default_factory=dict)
    categories: tuple[tuple[object, ...], ...] | None = None

    def for_rows(self, missing: npt.NDArray[np.bool_] | None = None) -> NativeModel:
        """Return the member for rows that are finite, but for NaN in some columns: fewer views, or none.

        Args:
            missing: bool [F], where a row may be NaN; by default nowhere.

        Raises:
            InexactModelError: The library takes no NaN there.
        """
        width = self.lowered.n_features
        wanted = np.zeros(width, np.bool_) if missing is None else missing
        able = np.zeros(width, np.bool_) if self.missing is None else self.missing
        if (wanted & ~able).any():
            raise InexactModelError(
                "a column may be missing only where every member takes NaN",
                place=self.library,
                value=f"column {int(np.flatnonzero(wanted & ~able)[0])}",
                hint="Leave the member out, or let the level need the column.",
            )
        lowered = self.lowered
        if isinstance(lowered, Forest):
            lowered = restrict(lowered, wanted)
        return replace(self, lowered=lowered, missing=wanted, infinite=None)

    @property
    def n_classes(self) -> int:
        """Number of columns of the probabilities."""
        return self.lowered.n_classes
