"""The guard against rows in other units than those of training: which values of a row are too far away.

A feature that moves with the price (its unit is "price") may lie between a part of the least and a multiple
of the largest value of training; any other within so many widths of its range there. Calendar features, those
that were constant and those of which no range is known are not judged. It looks at the row at hand alone:
nothing stays held.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import FeatureSpec, GuardRule, Manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TAKEN", "Guard", "guard_of"]

TAKEN = "guard: treated as missing"
"""How the reason begins where values were taken for missing; a journal is replayed by it."""

_CALENDAR = ("calendar",)
_LARGEST = float(np.finfo(np.float32).max)
_NAMED = 3


class Guard:
    """The bounds of one version. They hold for values as float32, as levels see them.

    Attributes:
        low: float32 [F], in the order of the full vector; -infinity where a feature is not judged.
        high: float32 [F].
        takes_for_missing: Whether what is beyond them counts as missing; else the reasons only say so.
    """

    def __init__(
        self,
        features: tuple[FeatureSpec, ...],
        bounds: NDArray[np.float64],
        *,
        takes_for_missing: bool,
    ) -> None:
        self._features = features
        with np.errstate(over="ignore"):
            self.low, self.high = bounds.astype(np.float32)
        self.takes_for_missing = takes_for_missing
        self._unpack = struct.Struct(f"{len(features)}f")

    def odd(self, values: Iterable[float]) -> int:
        """The features of a row that are too far away, as a mask.

        Args:
            values: Of the full vector, NaN where missing; none beyond float32.
        """
        row = np.frombuffer(self._unpack.pack(*values), np.float32)
        with np.errstate(invalid="ignore"):
            far = (row < self.low) | (row > self.high)
        return int.from_bytes(np.packbits(far, bitorder="little").tobytes(), "little") if far.any() else 0

    def reason(self, mask: int) -> str:
        """Say which features are too far away."""
        found = [f for i, f in enumerate(self._features) if mask >> i & 1]
        named = [f"{f.name} ({f.minimum:.6g} to {f.maximum:.6g})" for f in found[:_NAMED]]
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        what = f"{TAKEN}, as far" if self.takes_for_missing else "guard: far"
        return f"{what} from its range in training: {', '.join(named)}{more}"


def guard_of(manifest: Manifest, mode: str) -> Guard | None:
    """Return the guard of a version; None where it judges nothing.

    Args:
        manifest: Of the version.
        mode: "step_down", "warn" or "off".
    """
    rule = manifest.guard
    if rule is None or mode == "off":
        return None
    graph = manifest.features_graph
    computed = {} if graph is None else {f.name: f for f in graph.spec.features}
    bounds = np.array([[-np.inf], [np.inf]]).repeat(len(manifest.features), axis=1)
    for i, feature in enumerate(manifest.features):
        spec = computed.get(feature.name)
        if spec is None or spec.inputs != _CALENDAR:
            bounds[:, i] = _bounds(feature, rule, is_price=spec is not None and spec.unit == "price")
    return Guard(manifest.features, bounds, takes_for_missing=mode == "step_down")


def _bounds(feature: FeatureSpec, rule: GuardRule, *, is_price: bool) -> tuple[float, float]:
    low, high = feature.minimum, feature.maximum
    if low is None or high is None or not low < high:
        return -np.inf, np.inf
    if is_price and low > 0:
        return low / rule.price_factor, min(high * rule.price_factor, _LARGEST)
    far = rule.ranges * (high - low)
    return max(low - far, -_LARGEST), min(high + far, _LARGEST)
