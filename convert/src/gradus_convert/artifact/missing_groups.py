"""Groups that rows may lack: which columns may be NaN, and the members for such rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gradus_convert.artifact.spec import ArtifactSpec, LevelContent
from gradus_convert.errors import InexactModelError
from gradus_runtime.contracts.feature_order import FeatureOrder

__all__ = ["able", "for_its_rows", "may_lack"]

Bool = npt.NDArray[np.bool_]


def may_lack(order: FeatureOrder, level: str | None = None) -> Bool:
    """Return which features of a level, or of the full vector, rows may lack: bool [F]."""
    names = order.names if level is None else order.level_features(level)
    needed = set(order.names) - {f.name for f in order.features if f.group in order.learned}
    return np.array([name not in needed for name in names], np.bool_)


def able(rows: npt.NDArray[np.float32], may_miss: Bool) -> Bool:
    """Return which rows, float32 [N, F], have all that they must have: bool [N]."""
    return np.asarray((np.isfinite(rows) | (np.isnan(rows) & may_miss)).all(axis=1))


def for_its_rows(spec: ArtifactSpec) -> ArtifactSpec:
    """Return the spec with each member for the rows of its level: finite, but for groups that they may lack.

    Raises:
        InexactModelError: A member takes no missing values, and a group of its level may be missing.
    """
    return replace(spec, levels=tuple(_level(spec.order, level) for level in spec.levels))


def _level(order: FeatureOrder, level: LevelContent) -> LevelContent:
    may_miss, members = may_lack(order, level.name), []
    for member in level.members:
        if len(may_miss) != member.native.lowered.n_features:
            return level  # which is refused for it when it is built
        try:
            native = member.native.for_rows(may_miss)
        except InexactModelError:
            raise InexactModelError(
                "a group may be missing only where every member takes missing values",
                place=f"{level.name}: {member.name}",
                value=", ".join(g for g in order.level(level.name).groups if g in order.learned),
                hint="Leave the member out, or take `missing` from the group in feature_order.json.",
            ) from None
        members.append(replace(member, native=native))
    return replace(level, members=tuple(members))
