"""Golden candles: a tail of the history with the features that training computed of its last bars.

An npz file of plain arrays: `timestamp` int64 [T]; `open`, `high`, `low`, `close`, `volume` float64 [T];
`daily_date` int64 [D], `daily_close` and a `daily.NAME` for each series, float64 [D]; `features` float32
[R, F], the graph's columns of the last R bars. In an artifact these rows stand among the golden rows as well,
with each level's answers: so both replays together lead from candles to probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gradus_runtime.candles.bridging import COLUMNS
from gradus_runtime.candles.dates import DailyTable
from gradus_runtime.contracts import npz_file
from gradus_runtime.errors import DataError, GradusError
from gradus_runtime.records import dataclass

__all__ = ["GOLDEN_BARS", "GoldenCandles", "read_golden_candles"]

GOLDEN_BARS = 8
_DAILY = "daily."
_COUNTED = {"timestamp": np.int64, "daily_date": np.int64, "features": np.float32}


@dataclass(frozen=True, slots=True, eq=False)
class GoldenCandles:
    """A tail of candles, and the features of its last bars.

    Attributes:
        timestamps: int64 [T], ms UTC of the open, rising; missing bars are absent.
        columns: Name of `COLUMNS` to float64 [T].
        daily: The daily values; empty where no feature needs any.
        features: float32 [R, F], of the last R bars; NaN where unavailable.
    """

    timestamps: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[np.float64]]
    daily: DailyTable
    features: npt.NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """Return the file, whose bytes depend on the arrays alone: no times, names sorted."""
        arrays: dict[str, npt.NDArray[np.generic]] = {"timestamp": self.timestamps, "features": self.features}
        arrays |= {name: self.columns[name] for name in COLUMNS}
        arrays["daily_date"] = self.daily.dates
        arrays |= {f"{_DAILY}{name}": values for name, values in self.daily.series.items()}
        if self.daily.close is not None:
            arrays["daily_close"] = self.daily.close
        return npz_file.write(arrays)


def read_golden_candles(data: bytes, *, place: str, error: type[GradusError] = DataError) -> GoldenCandles:
    """Read golden candles, or refuse them.

    Args:
        data: The whole file.
        place: How errors name it.
        error: The type of error to raise.

    Raises:
        GradusError: Of type `error`: it is damaged, an array is missing, or shapes do not fit together.
    """
    arrays = npz_file.read(data, place=place, error=error)
    for name in (*_COUNTED, *COLUMNS):
        if name not in arrays:
            raise error(f"golden candles must hold {name!r}", place=place, value=sorted(arrays))
    for name, array in arrays.items():
        due = _COUNTED.get(name, np.float64)
        two = name == "features"
        rows = arrays["timestamp"] if name in COLUMNS else arrays["daily_date"]
        length = len(array) if name in ("timestamp", "features") else len(rows)
        if array.dtype != due or array.ndim != 1 + two or len(array) != length:
            found = (str(array.dtype), array.shape)
            raise error("arrays of golden candles must fit together", place=f"{place}: {name}", value=found)
    if not 0 < len(arrays["features"]) <= len(arrays["timestamp"]):
        raise error("golden candles must have features of a last bar", place=place)
    series = {n.removeprefix(_DAILY): a for n, a in arrays.items() if n.startswith(_DAILY)}
    return GoldenCandles(
        timestamps=arrays["timestamp"],
        columns={name: arrays[name] for name in COLUMNS},
        daily=DailyTable(arrays["daily_date"], series, arrays.get("daily_close")),
        features=arrays["features"],
    )
