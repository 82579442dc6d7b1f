"""What a caller asks for beside the rows, checked against the artifact's schema."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from gradus_runtime.errors import UsageError
from gradus_runtime.records import dataclass, replace
from gradus_runtime.routing.schema import Schema
from gradus_runtime.rows.mappings import is_mapping
from gradus_runtime.rows.values import read_number, read_value

__all__ = ["Request", "checked_threshold", "resolve"]


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asks for, resolved against a schema.

    Attributes:
        unavailable: Features to be treated as missing.
        fillable: Features that are filled where they are missing.
        fill: Their values, by column.
        first_level: The first level that may serve, as an index: 0, or the level that was asked for.
        last_level: The lowest level that may serve, as an index.
        min_level: Its name if the caller gave one.
        threshold: The confidence below which a call becomes the fallback action; None for the class of the
            largest probability, whatever the policy.
        level: The name of the only level that may serve; None where the caller named none.
        cutoff: The score that a row must be above, beside the policy's own thresholds; None for none.
    """

    unavailable: int
    fillable: int
    fill: Mapping[int, float]
    last_level: int
    min_level: str | None
    threshold: float | None
    first_level: int = 0
    level: str | None = None
    cutoff: float | None = None

    def without_filling(self, features: int) -> Request:
        """The same, but that these features (a mask) are not filled."""
        return replace(self, fillable=self.fillable & ~features) if self.fillable & features else self


def resolve(
    schema: Schema,
    *,
    fill: Mapping[str, float] | None,
    unavailable: Iterable[str],
    min_level: str | None,
    threshold: float,
    use_confidence: bool,
    level: str | None = None,
) -> Request:
    """Check what the caller asks for.

    Raises:
        UsageError: An unknown group, feature or level; a filling that is no finite number; a threshold beyond
            [0, 1]; a level and a lowest level.
    """
    limit = read_value(threshold)
    if not 0.0 <= limit <= 1.0:
        raise UsageError("a threshold must lie in [0, 1]", place="confidence_threshold", value=threshold)
    values: dict[int, float] = {}
    fillable = 0
    if fill is not None and not is_mapping(fill):
        raise UsageError("fill must be a mapping of groups to numbers", value=type(fill).__name__)
    for name, value in (fill or {}).items():
        number = read_value(value)
        if math.isnan(number):
            raise UsageError("a filling must be a finite number", place=f"fill[{name!r}]", value=value)
        mask = _mask_of(schema, name, "fill")
        fillable |= mask
        values.update(dict.fromkeys(schema.columns_of(mask), number))
    if isinstance(unavailable, str):
        unavailable = (unavailable,)
    if not isinstance(unavailable, Iterable):
        raise UsageError("unavailable must be groups or features", value=unavailable)
    declared = 0
    for name in unavailable:
        declared |= _mask_of(schema, name, "unavailable")
    least = float(np.float32(limit)) if use_confidence else None  # as confidences are
    if level is not None:
        if min_level is not None:
            rule = "level and min_level must not both be given"
            raise UsageError(rule, place="min_level", value=min_level, hint="level asks for one level alone.")
        only = _index(schema.level_names, level, "level")
        return Request(declared, fillable, values, only, None, least, only, level)
    last = len(schema.levels) - 1 if min_level is None else _index(schema.level_names, min_level, "min_level")
    return Request(declared, fillable, values, last, min_level, least)


def checked_threshold(threshold: Any) -> float:
    """Return a threshold of confidence.

    Raises:
        UsageError: It is no number in [0, 1].
    """
    number = math.nan if issubclass(type(threshold), bool | np.bool_) else read_number(threshold)
    if not 0.0 <= number <= 1.0:
        raise UsageError("confidence_threshold must lie in [0, 1]", value=threshold)
    return number


def _mask_of(schema: Schema, name: Any, place: str) -> int:
    if not isinstance(name, str):
        raise UsageError("a group or feature must be text", place=place, value=name)
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
