"""Views: columns computed from one column of a row before the walk, so that the walk keeps its one rule.

A split that treats missing values or categories in a way of its own looks at a view instead of the column.
Where NaN goes left it reads a copy with -inf for NaN, where it goes right one with +inf; a set of categories
is a column of 0 and 1. Each view is defined by `of`, plainly; `graphs.widened_row` writes it as operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError

__all__ = [
    "LEFT_OF",
    "CategoryView",
    "FilledView",
    "MissingView",
    "Reading",
    "View",
    "ViewTable",
    "check_view",
    "nan_alone",
    "ordered",
    "widen",
]

Float32 = npt.NDArray[np.float32]
Reading = Literal["truncated", "floored", "listed"]

LEFT_OF = np.float32(0.5)
"""The threshold of a split on a column of 0 and 1: 0 goes left."""


@dataclass(frozen=True, slots=True, order=True)
class FilledView:
    """A copy of a column with a number in the place of missing values.

    Attributes:
        column: Of the row.
        fill: What stands for a missing value.
        low: A value from `low` to `high` is missing as well as NaN; by default none is.
        high: See `low`.
    """

    column: int
    fill: float
    low: float = float("inf")
    high: float = float("-inf")

    def of(self, x: Float32) -> Float32:
        """Return the view of the column's values, float32 [N]."""
        return np.where(_missing(self, x), np.float32(self.fill), x)


@dataclass(frozen=True, slots=True, order=True)
class MissingView:
    """Whether a value is missing: for a split between missing values and all others, infinities too.

    Attributes:
        column: Of the row.
        value: 0 or 1, of a missing value; others have the other.
        low: As in `FilledView`.
        high: As in `FilledView`.
    """

    column: int
    value: int
    low: float = float("inf")
    high: float = float("-inf")

    def of(self, x: Float32) -> Float32:
        """Return the view of the column's values, float32 [N]."""
        return np.where(_missing(self, x), self.value, 1 - self.value).astype(np.float32)


@dataclass(frozen=True, slots=True, order=True)
class CategoryView:
    """Whether a value's category is of a set: 0 goes left, 1 goes right.

    A value is missing, or its category is a whole number: "truncated" takes it towards 0 (LightGBM: -0.5 is
    category 0), "floored" downwards (XGBoost: -0.5 is none), "listed" gives a value that equals
    `values[k]` the category k. `sides` holds a byte 0 or 1 for: a missing value; a category below 0; the
    categories 0, 1, ...; every other.

    Attributes:
        column: Of the row.
        reading: How a value becomes a category.
        sides: At least 3 bytes.
        values: float32 values, all different, if "listed"; else empty.
        low: As in `FilledView`.
        high: As in `FilledView`.
    """

    column: int
    reading: Reading
    sides: bytes
    values: tuple[float, ...] = ()
    low: float = float("inf")
    high: float = float("-inf")

    @property
    def size(self) -> int:
        """Number of categories that have an entry of their own."""
        return len(self.sides) - 3

    def of(self, x: Float32) -> Float32:
        """Return the view of the column's values, float32 [N]."""
        table = np.frombuffer(self.sides, np.uint8).astype(np.float32)
        return table[np.where(_missing(self, x), 0, 2 + self._category(x))]

    def _category(self, x: Float32) -> npt.NDArray[np.int64]:
        """Return categories from -1 (below 0) to `size` (every other); anything for NaN."""
        if self.reading == "listed":
            same = x[:, None] == np.array(self.values, np.float32)
            places = np.arange(self.size) - self.size
            return np.asarray(self.size + np.where(same, places, 0).sum(axis=1), np.int64)
        clipped = np.clip(np.nan_to_num(x, nan=0.0, posinf=None, neginf=None), -1, self.size)
        whole = np.trunc(clipped) if self.reading == "truncated" else np.floor(clipped)
        return np.asarray(whole, np.int64)


View = FilledView | MissingView | CategoryView


def nan_alone(view: View) -> bool:
    """Whether no number is missing."""
    return view.low > view.high


def _missing(view: View, x: Float32) -> npt.NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.isnan(x) | ((x >= np.float32(view.low)) & (x <= np.float32(view.high)))


def ordered(views: Sequence[View]) -> tuple[View, ...]:
    """Return different views in their one order: by kind, then by their fields."""
    kinds = (FilledView, MissingView, CategoryView)
    return tuple(v for kind in kinds for v in sorted({v for v in views if isinstance(v, kind)}))


def widen(X: Float32, views: Sequence[View]) -> Float32:
    """Return rows with their views: float32 [N, F + V]."""
    width = X.shape[1]
    result = np.empty((len(X), width + len(views)), np.float32)
    result[:, :width] = X
    for i, view in enumerate(views):
        result[:, width + i] = view.of(X[:, view.column])
    return result


def check_view(view: View, n_features: int, place: str) -> None:
    """Hold a view to its promises.

    Raises:
        InexactModelError: One is broken.
    """

    def require(ok: bool, rule: str, value: object) -> None:
        if not ok:
            raise InexactModelError(rule, place=place, value=value)

    require(0 <= view.column < n_features, "a view's column must be one of the row", view.column)
    require(not np.isnan([view.low, view.high]).any(), "a view's range must be of numbers", view.low)
    if isinstance(view, FilledView):
        require(not np.isnan(view.fill), "a view's fill must be a number", view.fill)
    if isinstance(view, MissingView):
        require(view.value in (0, 1), "a view's value must be 0 or 1", view.value)
    if isinstance(view, CategoryView):
        require(view.reading in get_args(Reading), "a view's reading must be known", view.reading)
        require(view.size >= 0 and set(view.sides) <= {0, 1}, "a view's sides must be 0 or 1", view.size)
        listed = len(set(view.values)) == len(view.values) == (view.size if view.reading == "listed" else 0)
        require(listed, "a listed view must have a value for each category, others none", len(view.values))


@dataclass(slots=True)
class ViewTable:
    """The views that a reader has met, numbered behind the columns of a row.

    Attributes:
        n_features: Columns of a row.
        numbers: The column of each view.
    """

    n_features: int
    numbers: dict[View, int] = field(default_factory=dict)

    def column(self, view: View) -> int:
        """Return the number of a view's column."""
        return self.numbers.setdefault(view, self.n_features + len(self.numbers))

    def columns(self, views: Sequence[View], which: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return the columns of `views[which]`."""
        numbers = np.array([self.column(v) for v in views], np.int64)
        return numbers.take(which)

    @property
    def views(self) -> tuple[View, ...]:
        """The views, by number."""
        return tuple(self.numbers)
