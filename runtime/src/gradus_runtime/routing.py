"""Which level serves a row, and why not a better one.

What a row lacks is a bit mask: bit i stands for feature i of the full vector. A level can serve a row if the
mask has none of the level's bits. Batches use the same masks as packed bits, 9 bytes a row at 70 features.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.errors import UsageError
from gradus_runtime.rows.values import read_value

__all__ = ["FALLBACK", "LevelPlan", "Request", "Schema", "resolve"]

FALLBACK = "fallback"
"""The level of a row that no level served."""

NAMED_FEATURES = 5
"""So many missing features are named in a reason; the others are counted."""


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """A level as routing sees it: its columns of the full vector, the same as bits, and how to pick them.

    `leading` says that they are the first columns of the full vector.
    """

    name: str
    columns: NDArray[np.intp]
    mask: int
    pick: Callable[[list[float]], Sequence[float]]
    leading: bool


class Schema:
    """Names, groups and levels of an artifact as masks.

    Args:
        manifest: The artifact's contract.
        first_level: The best level to serve; the manifest's first by default.
    """

    def __init__(self, manifest: Manifest, first_level: str | None = None) -> None:
        # Interned, as names in a program are: a mapping finds them without comparing characters.
        self.names = tuple(map(sys.intern, manifest.feature_names))
        self.classes = manifest.classes
        self.groups: dict[str, int] = {}
        for i, feature in enumerate(manifest.features):
            self.groups[feature.group] = self.groups.get(feature.group, 0) | 1 << i
        place = {name: i for i, name in enumerate(self.names)}
        plans = []
        first = 0 if first_level is None else [level.name for level in manifest.levels].index(first_level)
        for level in manifest.levels[first:]:
            columns = [place[name] for name in manifest.level_features(level)]
            mask = sum(1 << i for i in columns)
            plans.append(LevelPlan(level.name, np.array(columns, np.intp), mask, *_picker(columns)))
        self.levels = tuple(plans)
        self.level_names = tuple(plan.name for plan in plans)
        self.widths = {
            len(plan.columns): tuple(self.names[i] for i in plan.columns.tolist()) for plan in plans
        }
        self.widths[len(self.names)] = self.names

    def some_names(self, mask: int) -> str:
        """Name the features in a mask: the first few, then a count."""
        names = [self.names[i] for i in self.columns_of(mask)]
        shown = ", ".join(names[:NAMED_FEATURES])
        more = len(names) - NAMED_FEATURES
        return shown if more <= 0 else f"{shown} and {more} more"

    def columns_of(self, mask: int) -> list[int]:
        """Return the columns of the features in a mask, in order."""
        return [i for i in range(len(self.names)) if mask >> i & 1]

    def explain_missing(self, level: int, lacking: int, declared: int) -> str:
        """Say what a level lacks: the features `lacking`, of which the caller declared some unavailable."""
        plan = self.levels[level]
        absent = lacking & ~declared
        parts = []
        if absent:
            parts.append(f"missing {self.some_names(absent)}")
        groups = [name for name, mask in self.groups.items() if lacking & declared & mask]
        if groups:
            parts.append(f"{', '.join(groups)} declared unavailable")
        return f"{plan.name}: {'; '.join(parts)}"


def _picker(columns: list[int]) -> tuple[Callable[[list[float]], Sequence[float]], bool]:
    if columns == list(range(len(columns))):
        return itemgetter(slice(0, len(columns))), True
    return lambda values: [values[i] for i in columns], False


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asks for, resolved against a schema.

    Attributes:
        unavailable: Features to be treated as missing.
        fillable: Features that are filled where they are missing.
        fill: Their values, by column.
        last_level: The lowest level that may serve, as an index.
        min_level: Its name if the caller gave one.
        threshold: The confidence below which a call becomes the fallback action; None for the plain argmax.
    """

    unavailable: int
    fillable: int
    fill: Mapping[int, float]
    last_level: int
    min_level: str | None
    threshold: float | None


def resolve(
    schema: Schema,
    *,
    fill: Mapping[str, float] | None,
    unavailable: Iterable[str],
    min_level: str | None,
    threshold: float | None,
) -> Request:
    """Check what the caller asks for.

    Raises:
        UsageError: An unknown group, feature or level; a filling that is no finite number.
    """
    values: dict[int, float] = {}
    fillable = 0
    for name, value in (fill or {}).items():
        number = read_value(value)
        if math.isnan(number):
            raise UsageError("a filling must be a finite number", place=f"fill[{name!r}]", value=value)
        mask = _mask_of(schema, name, "fill")
        fillable |= mask
        values.update(dict.fromkeys(schema.columns_of(mask), number))
    if isinstance(unavailable, str):
        unavailable = (unavailable,)
    declared = 0
    for name in unavailable:
        declared |= _mask_of(schema, name, "unavailable")
    last = len(schema.levels) - 1 if min_level is None else _index(schema.level_names, min_level, "min_level")
    return Request(declared, fillable, values, last, min_level, threshold)


def _mask_of(schema: Schema, name: Any, place: str) -> int:
    if name in schema.groups:
        return schema.groups[name]
    if name in schema.names:
        return 1 << schema.names.index(name)
    raise UsageError(
        "a group or feature must be known",
        place=place,
        value=name,
        hint=f"Groups: {', '.join(schema.groups)}.",
    )


def _index(known: Collection[str], name: Any, place: str) -> int:
    for i, other in enumerate(known):
        if other == name:
            return i
    raise UsageError("a level must be known", place=place, value=name, hint=f"Levels: {', '.join(known)}.")
