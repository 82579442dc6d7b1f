"""Rows at every split of a forest with views: on its threshold, and at missing values and categories.

A column of a row is looked at by several views, so a box of the widened row may hold no row at all. Here the
rows that reach a node are followed in the row's own columns instead: for each an interval of ordinary values,
which all copies of the column keep, and which of its *atoms* may stand there: NaN, infinities, numbers that
count as missing, categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest
from gradus_convert.forest.rounding import LARGEST
from gradus_convert.forest.views import CategoryView, MissingView, View, nan_alone
from gradus_convert.parity.boxes import values_between

__all__ = ["Atoms", "Domain", "atoms_of", "critical_values", "rows_at_splits"]

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

_INFINITY = np.float32(np.inf)
_OUTWARDS = np.array([-np.inf, np.inf], np.float32)
_MOST_ATOMS = 4
"""Atoms of a split's column that get a row, of each side."""
_SHARE = 0.25
"""How often another column holds an atom where it may."""


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """What the rows of a proof may hold.

    Attributes:
        missing: bool [F], the columns that may be NaN.
        infinite: bool [F], the columns that may be infinite.
        landmarks: By column, numbers that a library treats in a way of its own.
    """

    missing: Bool
    infinite: Bool
    landmarks: Mapping[int, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Atoms:
    """Values that views do not keep as they are, column after column.

    Attributes:
        values: float32 [A].
        columns: int64 [A], of the row.
        seen: float32 [n_columns, A], the value as each column of the forest shows it; NaN where that column
            is made from another one of the row.
        ordinary: bool [F], whether a column has values that are no atoms: all but columns of categories.
    """

    values: Float32
    columns: Int64
    seen: Float32
    ordinary: Bool


def _of_categories(view: CategoryView) -> list[float]:
    """Every category of a view, what is none, and values beside and between."""
    if view.reading == "listed":
        values = np.array(view.values, np.float32)
        with np.errstate(over="ignore"):
            near = [np.nextafter(values, np.float32(way)) for way in (-np.inf, np.inf)]
        return [*np.concatenate([values, *near, values + np.float32(0.5)]).tolist(), -1.0, 1e9]
    whole = np.arange(view.size + 2, dtype=np.float32)
    return [*whole.tolist(), *(whole[:64] + np.float32(0.5)).tolist(), *_NO_CATEGORY]


_NO_CATEGORY = (-0.0, -0.5, -1.0, -1.5, -2.0, 1e9, 2.0**24, 2.0**31, -(2.0**31), 2.0**32, LARGEST, -LARGEST)


def _around(view: View) -> list[float]:
    """The ends of the range that counts as missing, and their neighbours outside."""
    if nan_alone(view):
        return []
    with np.errstate(over="ignore", under="ignore"):
        out = np.nextafter(np.array([view.low, view.high], np.float32), _OUTWARDS)
    inside = [0.0, -0.0] if view.low <= 0 <= view.high else []
    return [view.low, view.high, *out.tolist(), *inside]


def critical_values(forest: Forest, domain: Domain) -> list[Float32]:
    """Return, for each column of a row, the values at which its views may differ from it."""
    found: list[list[float]] = [[] for _ in range(forest.n_features)]
    for view in dict.fromkeys(forest.views):
        found[view.column] += _around(view)
        if isinstance(view, CategoryView):
            found[view.column] += _of_categories(view)
    result = []
    for column, values in enumerate(found):
        more = [np.nan] if domain.missing[column] else []
        more += [np.inf, -np.inf] if domain.infinite[column] else []
        every = np.array([*values, *more, *domain.landmarks.get(column, ())], np.float32)
        every = every[domain.infinite[column] | ~np.isinf(every)]
        result.append(np.unique(every.view(np.uint32)).view(np.float32))
    return result


def atoms_of(forest: Forest, domain: Domain) -> Atoms:
    """Return the critical values of a forest, one of those alike in the eyes of all its splits."""
    critical = critical_values(forest, domain)
    by_column: list[list[int]] = [[] for _ in critical]
    for i, source in enumerate(forest.sources.tolist()):
        by_column[source].append(i)
    values, columns, shown = [], [], []
    for column, candidates in enumerate(critical):
        looks = by_column[column]
        seen = np.stack([_shown(forest, i, candidates) for i in looks])
        different = np.unique(seen[1:] if len(looks) > 1 else seen, axis=1, return_index=True)[1]
        odd = np.union1d(different, np.flatnonzero(~np.isfinite(candidates)))
        values.append(candidates[odd])
        columns.append(np.full(len(odd), column))
        part = np.full((forest.n_columns, len(odd)), np.nan, np.float32)
        part[looks] = seen[:, odd]
        shown.append(part)
    kinds = [
        {isinstance(forest.views[i - forest.n_features], CategoryView) for i in looks[1:]}
        for looks in by_column
    ]
    ordinary = np.array([kind != {True} for kind in kinds], np.bool_)
    return Atoms(np.concatenate(values), np.concatenate(columns), np.concatenate(shown, axis=1), ordinary)


def _shown(forest: Forest, column: int, values: Float32) -> Float32:
    return values if column < forest.n_features else forest.views[column - forest.n_features].of(values)


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """The rows that reach some nodes: an interval of ordinary values by column, and the atoms allowed."""

    nodes: npt.NDArray[np.integer]
    low: Float32
    high: Float32
    allowed: Bool

    def take(self, which: Bool) -> _Region:
        return _Region(self.nodes[which], self.low[which], self.high[which], self.allowed[which])


def rows_at_splits(
    forest: Forest, trees: range, atoms: Atoms, source: Float32, seed: int = 0
) -> Iterator[Float32]:
    """Make rows at every split of some trees that a row reaches.

    At each: its threshold and both float32 neighbours, and atoms of its column from either side, while the
    other columns are taken from given rows as far as the path allows, or hold an atom that it allows.

    Args:
        forest: The forest.
        trees: Which of its trees.
        atoms: Of the forest.
        source: float32 [R, F], finite.
        seed: Of the choice of atoms.

    Yields:
        float32 [N, F] at a time.
    """
    random = np.random.default_rng((seed, trees.start))
    roots = forest.roots[trees.start : trees.stop]
    low = np.full((len(roots), forest.n_features), -LARGEST, np.float32)
    low[:, ~atoms.ordinary] = LARGEST
    region = _Region(roots, low, -low, np.ones((len(roots), len(atoms.values)), np.bool_))
    while True:
        region = region.take(forest.feature[region.nodes] >= 0)
        if not len(region.nodes):
            return
        yield _rows(forest, region, atoms, source, random)
        left, right = _sides(forest, region, atoms)
        region = _Region(
            *(
                np.concatenate([getattr(left, name), getattr(right, name)])
                for name in ("nodes", "low", "high", "allowed")
            )
        )


def _sides(forest: Forest, region: _Region, atoms: Atoms) -> tuple[_Region, _Region]:
    at, column = forest.threshold[region.nodes], forest.feature[region.nodes]
    source, rows = forest.sources[column], np.arange(len(column))
    with np.errstate(over="ignore", under="ignore"):
        above = np.nextafter(at, _INFINITY)
    high, low = region.high.copy(), region.low.copy()
    high[rows, source] = np.minimum(high[rows, source], at)
    low[rows, source] = np.maximum(low[rows, source], above)
    for i, value in _constant(forest).items():
        here = column == i
        ordinary = np.float32(1 - value) <= at
        high[here & ~ordinary, source[here & ~ordinary]] = -_INFINITY
        low[here & ordinary, source[here & ordinary]] = _INFINITY
        high[here & ordinary, source[here & ordinary]] = region.high[rows, source][here & ordinary]
        low[here & ~ordinary, source[here & ~ordinary]] = region.low[rows, source][here & ~ordinary]
    with np.errstate(invalid="ignore"):
        goes_right = atoms.seen[column] > at[:, None]
    other = np.isnan(atoms.seen[column])
    mine = source[:, None] == atoms.columns
    parts = []
    for child, low_, high_, sides in (
        (forest.left, region.low, high, ~goes_right),
        (forest.right, low, region.high, goes_right),
    ):
        allowed = region.allowed & (sides | other)
        reached = (low_[rows, source] <= high_[rows, source]) | (allowed & mine).any(axis=1)
        parts.append(_Region(child[region.nodes], low_, high_, allowed).take(reached))
    return parts[0], parts[1]


def _constant(forest: Forest) -> dict[int, int]:
    """The columns that show all ordinary values alike, and what a missing value shows there."""
    numbered = enumerate(forest.views, forest.n_features)
    return {i: v.value for i, v in numbered if isinstance(v, MissingView)}


def _rows(
    forest: Forest, region: _Region, atoms: Atoms, source: Float32, random: np.random.Generator
) -> Float32:
    """Rows at the splits of a region: ordinary values around thresholds, then atoms."""
    count = len(region.nodes)
    plain = _filled(region, atoms, source, random)
    at, column = forest.threshold[region.nodes], forest.sources[forest.feature[region.nodes]]
    rows = np.arange(count)
    with np.errstate(over="ignore", under="ignore"):
        lowest = np.maximum(region.low[rows, column], np.nextafter(at, -_INFINITY))
        highest = np.minimum(region.high[rows, column], np.nextafter(at, _INFINITY))
    inside = lowest <= highest
    parts = []
    for value in values_between(lowest[inside], highest[inside]):
        part = plain[inside].copy()
        part[np.arange(len(part)), column[inside]] = value
        parts.append(part)
    mine = region.allowed & (column[:, None] == atoms.columns)
    right = atoms.seen[forest.feature[region.nodes]] > at[:, None]
    for side in (mine & ~right, mine & right):
        scores = np.where(side, random.random(side.shape, np.float32), -1)
        for _ in range(min(_MOST_ATOMS, scores.shape[1])):
            best = scores.argmax(axis=1)
            there = scores[rows, best] >= 0
            part = plain[there].copy()
            part[np.arange(len(part)), column[there]] = atoms.values[best[there]]
            parts.append(part)
            scores[rows, best] = -1
    return np.concatenate(parts)


def _filled(region: _Region, atoms: Atoms, source: Float32, random: np.random.Generator) -> Float32:
    """A row for each node: given values, clipped; atoms where there is no other value, or by chance."""
    count = len(region.nodes)
    given = source[random.integers(len(source), size=count)]
    result = np.clip(given, region.low, np.maximum(region.low, region.high))
    empty = region.low > region.high
    chance = random.random(result.shape, np.float32) < _SHARE
    scores = np.where(region.allowed, random.random(region.allowed.shape, np.float32), -1)
    starts = np.searchsorted(atoms.columns, np.arange(result.shape[1] + 1))
    for column in np.unique(atoms.columns):
        part = scores[:, starts[column] : starts[column + 1]]
        best = part.argmax(axis=1)
        there = (part[np.arange(count), best] >= 0) & (empty[:, column] | chance[:, column])
        result[there, column] = atoms.values[starts[column] + best[there]]
    return result
