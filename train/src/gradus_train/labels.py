"""Labels: what the price did over the horizon that follows a bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_runtime.errors import ConfigError

__all__ = ["NO_LABEL", "LabelSpec", "make_labels"]

NO_LABEL = -1
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """How a bar is labelled from r = close[t + horizon] / close[t] - 1.

    Attributes:
        horizon: Bars ahead, at least 1.
        threshold: A fraction (0.005 is half a percent), not negative.
        classes: Three names, lowest first: the first where r < -threshold, the last where r > threshold, else
            the middle. Or two: the last where r > threshold, else the first. A label is an index into them.
    """

    horizon: int = 4
    threshold: float = 0.005
    classes: tuple[str, ...] = ("SELL", "HOLD", "BUY")

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigError("a horizon must be at least 1 bar", place="horizon", value=self.horizon)
        if not 0 <= self.threshold < 1:
            raise ConfigError("a threshold must be in [0, 1)", place="threshold", value=self.threshold)
        if len(self.classes) not in (2, 3) or len(set(self.classes)) != len(self.classes):
            raise ConfigError(
                "two or three different classes are needed", place="classes", value=self.classes
            )


def make_labels(
    timestamps: npt.NDArray[np.int64], close: npt.NDArray[np.float64], bar_ms: int, spec: LabelSpec
) -> npt.NDArray[np.int64]:
    """Label every bar whose horizon is inside the data and free of gaps.

    A return that equals the threshold up to rounding (1e-12) is not beyond it.

    Args:
        timestamps: int64 [N], ms, rising.
        close: float64 [N], positive.
        bar_ms: Length of a bar.
        spec: The rule.

    Returns:
        int64 [N]: the class index, or NO_LABEL at the tail and where a bar up to t + horizon is missing.
    """
    labels = np.full(len(close), NO_LABEL, dtype=np.int64)
    h = spec.horizon
    if len(close) <= h:
        return labels
    # Rising stamps on a grid of bar_ms: h steps take exactly h bars only where none is missing.
    whole = timestamps[h:] - timestamps[:-h] == h * bar_ms
    change = close[h:] / close[:-h] - 1.0
    up = change > spec.threshold + _ROUNDING
    if len(spec.classes) == 2:
        values = up.astype(np.int64)
    else:
        down = change < -spec.threshold - _ROUNDING
        values = 1 + up.astype(np.int64) - down.astype(np.int64)
    labels[:-h][whole] = values[whole]
    return labels
