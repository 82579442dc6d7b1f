"""Simulated daily series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SimulatedDaily", "simulate_daily"]

_HOLIDAY_CHANCE = 0.03
_MISSING_MOOD_CHANCE = 0.005

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedDaily:
    """One row a day; NaN where a series has no value.

    Attributes:
        date: datetime64[D] [N].
        usd_jpy: Weekdays without holidays; the last day's rate is not published yet.
        nikkei_225: Weekdays without its own holidays.
        us_10y_yield: Weekdays without holidays; the last day's is not published yet.
        fear_greed_index: Almost every day.
        mood_known: float64 [N], -1 to 1: the mood index of the day before, which is what a day's trade knows.
    """

    date: npt.NDArray[np.datetime64]
    usd_jpy: Floats
    nikkei_225: Floats
    us_10y_yield: Floats
    fear_greed_index: Floats
    mood_known: Floats

    def to_csv(self) -> bytes:
        """Return the bytes of a file of daily series."""
        lines = ["date,usd_jpy,nikkei_225,us_10y_yield,fear_greed_index,simulated"]
        columns = (self.usd_jpy, self.nikkei_225, self.us_10y_yield, self.fear_greed_index)
        for date, *values in zip(self.date.tolist(), *(c.tolist() for c in columns), strict=True):
            cells = [f"{v:.{d}f}" if v == v else "" for v, d in zip(values, (2, 2, 2, 0), strict=True)]
            lines.append(",".join([date.isoformat(), *cells, "true"]))
        return ("\n".join(lines) + "\n").encode()


def simulate_daily(rng: np.random.Generator, first_day: np.datetime64, days: int) -> SimulatedDaily:
    """Simulate daily series of `days` days from `first_day` on."""
    date = first_day + np.arange(days)
    weekday = (date.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    workday = weekday < 5
    usd_jpy = 150.0 * np.exp(np.cumsum(0.005 * rng.standard_normal(days)))
    nikkei = 38_000.0 * np.exp(np.cumsum(0.011 * rng.standard_normal(days)))
    us_10y = 4.2 + _reverting(rng, days, 0.98, 0.05)
    mood = np.round(np.clip(50.0 + _reverting(rng, days, 0.9, 11.0), 0.0, 100.0))
    published = np.arange(days) < days - 1
    return SimulatedDaily(
        date=date,
        usd_jpy=np.where(_open(rng, workday) & published, usd_jpy, np.nan),
        nikkei_225=np.where(_open(rng, workday), nikkei, np.nan),
        us_10y_yield=np.where(_open(rng, workday) & published, us_10y, np.nan),
        fear_greed_index=np.where(rng.random(days) >= _MISSING_MOOD_CHANCE, mood, np.nan),
        mood_known=(np.append(50.0, mood[:-1]) - 50.0) / 50.0,
    )


def _open(rng: np.random.Generator, workday: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    open_days: npt.NDArray[np.bool_] = workday & (rng.random(len(workday)) >= _HOLIDAY_CHANCE)
    return open_days


def _reverting(rng: np.random.Generator, days: int, decay: float, sigma: float) -> Floats:
    result = np.empty(days)
    last = 0.0
    for i, shock in enumerate((sigma * rng.standard_normal(days)).tolist()):
        last = decay * last + shock
        result[i] = last
    return result
