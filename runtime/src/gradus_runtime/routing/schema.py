"""Names, groups and levels as bit masks: which level can serve a row.

What a row lacks is a bit mask: bit i stands for feature i of the full vector. A level can serve a row if the
mask has none of the bits that the level needs: all of its own, but those of groups that rows may lack.
Batches use the same masks as packed bits, 9 bytes a row at 70 features.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import Level, Manifest
from gradus_runtime.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LevelPlan", "Schema", "served_levels"]

NAMED_FEATURES = 5
"""Maximum number of missing features named in a reason; the others are counted."""


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """A level as routing sees it: its columns of the full vector, the same as bits, and how to pick them.

    `leading` says that they are the first columns of the full vector. `needed` and `needed_columns` are those
    that a row must have: all, but those of groups that may be missing.
    """

    name: str
    columns: NDArray[np.intp]
    mask: int
    pick: Callable[[list[float]], Sequence[float]]
    leading: bool
    needed: int
    needed_columns: NDArray[np.intp]


class Schema:
    """Names, groups and levels of an artifact as masks.

    Args:
        manifest: The artifact's contract.
        first_level: A level that was asked for by name; see `served_levels`.
    """

    def __init__(self, manifest: Manifest, first_level: str | None = None) -> None:
        # Interned, as names in a program are: a mapping finds them without comparing characters.
        self.names = tuple(map(sys.intern, manifest.feature_names))
        self.classes = manifest.classes
        self.groups: dict[str, int] = {}
        for i, feature in enumerate(manifest.features):
            self.groups[feature.group] = self.groups.get(feature.group, 0) | 1 << i
        place = {name: i for i, name in enumerate(self.names)}
        learned = manifest.learned_features
        self.learned = sum(1 << place[name] for name in learned)
        plans = []
        for level in served_levels(manifest, first_level):
            columns = [place[name] for name in manifest.level_features(level)]
            mask = sum(1 << i for i in columns)
            needed = [i for i in columns if not self.learned >> i & 1]
            plans.append(
                LevelPlan(
                    level.name,
                    np.array(columns, np.intp),
                    mask,
                    *_picker(columns),
                    mask & ~self.learned,
                    np.array(needed, np.intp),
                )
            )
        self.levels = tuple(plans)
        order = manifest.order_of_service
        proofs = {proof.level: proof.sentence for proof in order.proofs}
        self.not_in_service = {name: proofs.get(name, "") for name in order.others}
        self.first_is_in_service = plans[0].name not in self.not_in_service
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

    def explain_missing(self, level: int, missing: int, declared: int) -> str:
        """Say what a level lacks: the features `missing`, of which the caller declared some unavailable."""
        plan = self.levels[level]
        absent = missing & ~declared
        parts = []
        if absent:
            parts.append(f"missing {self.some_names(absent)}")
        groups = [name for name, mask in self.groups.items() if missing & declared & mask]
        if groups:
            parts.append(f"{', '.join(groups)} declared unavailable")
        return f"{plan.name}: {'; '.join(parts)}"


def served_levels(manifest: Manifest, first_level: str | None = None) -> tuple[Level, ...]:
    """Return the levels as rows are offered to them.

    Args:
        manifest: The artifact's contract.
        first_level: A level that was asked for by name: it comes first, and after it those that are declared
            after it, in the order of service. None: the order of service.
    """
    if first_level is None:
        return manifest.service
    names = [level.name for level in manifest.levels]
    place = names.index(first_level)
    after = set(names[place + 1 :])
    return (manifest.levels[place], *(level for level in manifest.service if level.name in after))


def _picker(columns: list[int]) -> tuple[Callable[[list[float]], Sequence[float]], bool]:
    if columns == list(range(len(columns))):
        return itemgetter(slice(0, len(columns))), True
    return lambda values: [values[i] for i in columns], False
