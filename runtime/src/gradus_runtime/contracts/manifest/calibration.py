"""The temperature of a level: how sure its vote is made to sound."""

from typing import TYPE_CHECKING

from gradus_runtime.records import dataclass

if TYPE_CHECKING:  # commands read manifests without numpy
    import numpy as np
    import numpy.typing as npt

__all__ = ["HOTTEST", "LEAST", "LevelCalibration", "at_temperature"]

LEAST = 2.0**-24
"""Smaller probabilities count as this."""

HOTTEST = 4.0
"""Temperatures lie between 1/4 and 4."""


@dataclass(frozen=True, slots=True)
class LevelCalibration:
    """A level whose vote has a temperature; the graph of the level computes it.

    Attributes:
        level: Its name.
        temperature: From 1/4 to 4; above 1 the level is less sure than its vote, below 1 more.
        sentence: Why, with what it does out of fold and on the holdout.
    """

    level: str
    temperature: float
    sentence: str


def at_temperature(p: "npt.NDArray[np.float64]", temperature: float) -> "npt.NDArray[np.float64]":
    """Return probabilities to the power of 1 / temperature, divided by their sum in each row.

    On a single softmax that is division of its margins. (C. Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017.)

    Args:
        p: float64 [N, C]; NaN rows stay NaN.
        temperature: From 1/4 to 4.
    """
    import numpy as np

    powers = np.clip(p, LEAST, 1.0) ** (1.0 / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
