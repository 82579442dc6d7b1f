"""The daily join and the external features against a plain rule that looks every bar up for itself."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from tests.support.candles import BAR_MS, START_MS, daily_values, random_bars, without_bars
from tests.support.features import EXTERNAL as NAMES
from tests.support.features import features, with_settings

Row = dict[str, float | None]


def day_of(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def oracle_row(bars: pl.DataFrame, daily: pl.DataFrame, ms: int, carry: int) -> Row:
    """What was known at a bar, by going back through the days one by one."""
    today = day_of(ms)
    values = {name: dict(zip(daily["date"], daily[name], strict=True)) for name in daily.columns[1:]}

    def last_known(name: str, before: date) -> tuple[date, float] | None:
        for back in range(1, carry + 1):
            value = values[name].get(before - timedelta(days=back))
            if value is not None:
                return before - timedelta(days=back), value
        return None

    def change(name: str) -> float | None:
        now = last_known(name, today)
        before = last_known(name, now[0]) if now else None
        return (now[1] / before[1] - 1) * 100 if now and before else None

    def known(name: str) -> float | None:
        found = last_known(name, today)
        return found[1] if found else None

    mood = known("fear_greed_index")
    return {
        "usd_jpy": known("usd_jpy"),
        "nikkei_225": known("nikkei_225"),
        "us_10y_yield": known("us_10y_yield"),
        "fear_greed_index": mood,
        "usd_jpy_change_1d": change("usd_jpy"),
        "nikkei_change_1d": change("nikkei_225"),
        "usd_jpy_btc_correlation": correlation(bars, values["usd_jpy"], today, carry),
        "market_sentiment": None if mood is None else (mood - 50) / 50,
    }


def correlation(bars: pl.DataFrame, usd: dict[date, float | None], today: date, carry: int) -> float | None:
    """Of the latest 30 returns between days on which both the rate and the day's last close are there."""
    last_of_day = {
        day_of(t): c
        for t, c in zip(bars["timestamp"], bars["close"], strict=True)
        if day_of(t + BAR_MS) != day_of(t)
    }
    days = sorted(d for d, v in usd.items() if v is not None and d in last_of_day and d < today)[-31:]
    if len(days) < 31 or (today - days[-1]).days > carry:
        return None
    if any((b - a).days > carry for a, b in pairwise(days)):
        return None
    rates = [usd[d] or 0.0 for d in days]
    prices = [last_of_day[d] for d in days]
    returns = [[b / a - 1 for a, b in pairwise(x)] for x in (rates, prices)]
    return statistics.correlation(*returns)


def mismatches(
    bars: pl.DataFrame, daily: pl.DataFrame, got: pl.DataFrame, carry: int, step: int
) -> list[str]:
    """Features that differ from the oracle on some bar."""
    wrong: list[str] = []
    for i in range(0, len(bars), step):
        expected = oracle_row(bars, daily, bars["timestamp"][i], carry)
        row = got.row(i, named=True)
        for name in NAMES:
            a, b = row[name], expected[name]
            if (a is None) != (b is None) or (a is not None and a != pytest.approx(b, rel=1e-6, abs=1e-7)):
                wrong.append(name)
    return sorted(set(wrong))


@pytest.fixture(scope="module")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    bars = without_bars(random_bars(96 * 70, 3), [96 * 20 + 95, *range(3000, 3020)])
    daily = daily_values(145, 3)  # ends on 2024-01-23, before the candles do
    return bars, daily


@pytest.mark.parametrize("carry", [2, 7])
def test_a_bar_sees_the_last_values_of_earlier_days_only(
    market: tuple[pl.DataFrame, pl.DataFrame], carry: int
) -> None:
    bars, daily = market
    got = features(bars, daily, NAMES, with_settings(carry_days=carry))
    assert mismatches(bars, daily, got, carry, 41) == []
    assert got.null_count().row(0)[0] < len(bars)


def test_the_comparison_catches_a_join_on_the_same_day(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    bars, daily = market
    ahead = daily.with_columns(pl.col("date").dt.offset_by("-1d"))
    got = features(bars, ahead, NAMES)
    assert set(mismatches(bars, daily, got, 7, 41)) == set(NAMES)


def changed_from(daily: pl.DataFrame, day: date) -> pl.DataFrame:
    """Other values on and after a day."""
    later = pl.col("date") >= day
    return daily.with_columns(
        pl.when(later).then(pl.col(n) * 0.5).otherwise(pl.col(n)).alias(n) for n in daily.columns[1:]
    )


def sees_the_future(
    market: tuple[pl.DataFrame, pl.DataFrame], made: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]
) -> bool:
    """Whether any bar of a day or before changes with the daily values of that day and after."""
    bars, daily = market
    before = made(bars, daily)
    for day in (date(2023, 11, 20), date(2023, 12, 13), date(2024, 1, 16)):
        after = made(bars, changed_from(daily, day))
        upto = [day_of(t) <= day for t in bars["timestamp"]]
        if not before.filter(upto).equals(after.filter(upto)):
            return True
    return False


def test_no_bar_depends_on_daily_values_of_its_own_day_or_later(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    assert not sees_the_future(market, lambda b, d: features(b, d, NAMES))


def test_a_planted_same_day_look_ahead_is_caught(market: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    def same_day(bars: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
        day = pl.from_epoch("timestamp", "ms").dt.date().alias("date")
        return bars.select(day).join(daily, on="date", how="left", maintain_order="left")

    assert sees_the_future(market, same_day)


def test_a_value_is_carried_for_seven_days_and_not_for_eight() -> None:
    day = datetime.fromtimestamp(START_MS / 1000, UTC).date()
    columns = {"usd_jpy": [150.0, 151.0], "nikkei_225": [1.0, 1.0], "us_10y_yield": [4.0, 4.0]}
    daily = pl.DataFrame(
        {"date": [day, day + timedelta(days=1)], **columns, "fear_greed_index": [10.0, 90.0]}
    )
    bars = random_bars(96 * 10)
    got = features(bars, daily, ["usd_jpy", "usd_jpy_change_1d"])
    by_day = [set(got["usd_jpy"][96 * i : 96 * (i + 1)]) for i in range(10)]
    assert by_day == [{None}, {150.0}, *[{151.0}] * 7, {None}]
    assert got["usd_jpy_change_1d"][96] is None
    assert got["usd_jpy_change_1d"][96 * 8] == pytest.approx(100 / 150)


def test_a_rate_that_never_moves_has_no_correlation() -> None:
    bars = random_bars(96 * 60, 1)
    daily = daily_values(140, 1).with_columns(usd_jpy=pl.lit(150.0))
    got = features(bars, daily, ["usd_jpy", "usd_jpy_btc_correlation"])
    assert got["usd_jpy"].null_count() == 0
    assert got["usd_jpy_btc_correlation"].null_count() == len(bars)


def test_without_daily_series_every_external_feature_is_unavailable() -> None:
    got = features(random_bars(100), None, NAMES)
    assert got.null_count().row(0) == (100,) * 8
