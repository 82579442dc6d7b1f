"""Simulated daily series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SimulatedDaily", "simulate_daily"]

_HOLIDAY_CHANCE = 0.03
_MISSING_MOOD_CHANCE = 0.005
_APPETITE_STAYS = 0.3  # from working day to working day
_LARGEST_APPETITE = 2.0
_NOISE = 0.3  # of each series, in units of the appetite

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedDaily:
    """One row a day; NaN where a series has no value. All of them show the appetite for risk, with noise.

    Attributes:
        date: datetime64[D] [N].
        usd_jpy: Weekdays without holidays; the last day's rate is not published yet.
        nikkei_225: Weekdays without its own holidays.
        us_10y_yield: Weekdays without holidays; the last day's is not published yet.
        fear_greed_index: Almost every day.
        appetite_known: float64 [N], -2 to 2: the appetite for risk of the day before, which is what a day's
            trade can know. It has a deviation of 1, and changes on working days alone.
    """

    date: npt.NDArray[np.datetime64]
    usd_jpy: Floats
    nikkei_225: Floats
    us_10y_yield: Floats
    fear_greed_index: Floats
    appetite_known: Floats

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
    appetite = _appetite(rng, workday)

    def shown() -> Floats:
        return appetite + _NOISE * rng.standard_normal(days)

    usd_jpy = 150.0 * np.exp(0.005 * shown())
    nikkei = 38_000.0 * np.exp(0.011 * shown())
    us_10y = 4.2 + 0.05 * shown()
    mood = np.round(np.clip(50.0 + 20.0 * shown(), 0.0, 100.0))
    published = np.arange(days) < days - 1
    return SimulatedDaily(
        date=date,
        usd_jpy=np.where(_open(rng, workday) & published, usd_jpy, np.nan),
        nikkei_225=np.where(_open(rng, workday), nikkei, np.nan),
        us_10y_yield=np.where(_open(rng, workday) & published, us_10y, np.nan),
        fear_greed_index=np.where(rng.random(days) >= _MISSING_MOOD_CHANCE, mood, np.nan),
        appetite_known=np.append(0.0, appetite[:-1]),
    )


def _open(rng: np.random.Generator, workday: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    open_days: npt.NDArray[np.bool_] = workday & (rng.random(len(workday)) >= _HOLIDAY_CHANCE)
    return open_days


def _appetite(rng: np.random.Generator, workday: npt.NDArray[np.bool_]) -> Floats:
    """A value that comes back to 0 within days; a day off has that of the day before."""
    shocks = np.sqrt(1.0 - _APPETITE_STAYS**2) * rng.standard_normal(len(workday))
    result = np.zeros(len(workday))
    free, last = 0.0, 0.0
    for i, (shock, works) in enumerate(zip(shocks.tolist(), workday.tolist(), strict=True)):
        if works:
            free = _APPETITE_STAYS * free + shock
            last = min(max(free, -_LARGEST_APPETITE), _LARGEST_APPETITE)
        result[i] = last
    return result
