"""No feature of a bar depends on a later bar, and how this is noticed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from tests.support.candles import daily_values, random_bars, without_bars
from tests.support.features import features

Features = Callable[[pl.DataFrame], pl.DataFrame]


def leaks(made: Features, bars: pl.DataFrame, cuts: list[int]) -> list[str]:
    """Columns whose first n rows differ, in any bit, from the features of the first n bars alone."""
    whole = made(bars)
    found: set[str] = set()
    for n in cuts:
        part = made(bars[:n])
        for name in whole.columns:
            a, b = whole[name][:n], part[name]
            same_bits = a.fill_null(0).to_numpy().tobytes() == b.fill_null(0).to_numpy().tobytes()
            if not same_bits or a.is_null().to_list() != b.is_null().to_list():
                found.add(name)
    return sorted(found)


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return without_bars(random_bars(96 * 62, 11), [500, 501, 4000])


@pytest.fixture(scope="module")
def daily() -> pl.DataFrame:
    return daily_values(150, 11)


def cuts_of(bars: pl.DataFrame, seed: int) -> list[int]:
    return [1, 2, len(bars) - 1, *np.random.default_rng(seed).integers(3, len(bars), 9).tolist()]


def test_features_of_the_first_bars_are_the_first_rows_of_all_features(
    bars: pl.DataFrame, daily: pl.DataFrame
) -> None:
    assert leaks(lambda b: features(b, daily), bars, cuts_of(bars, 1)) == []


@pytest.mark.parametrize(
    "leak",
    [
        pl.col("close").shift(-1),
        pl.col("close").rolling_mean(5, center=True),
        pl.col("close") / pl.col("close").mean(),
        pl.col("volume").rank() / pl.len(),
        pl.col("close").last().over(pl.col("timestamp") // 14_400_000),
    ],
    ids=["next close", "centred mean", "mean of all", "rank among all", "close of a running 4-hour bar"],
)
def test_a_planted_leak_is_caught_and_nothing_else(bars: pl.DataFrame, leak: pl.Expr) -> None:
    def planted(b: pl.DataFrame) -> pl.DataFrame:
        clean = features(b, None, ["rsi_14", "strategy_signal_MultiTimeframe"])
        return clean.hstack(b.select(leak.cast(pl.Float64).alias("planted")))

    assert leaks(planted, bars, cuts_of(bars, 2)) == ["planted"]


def test_later_bars_may_change_without_any_effect(bars: pl.DataFrame, daily: pl.DataFrame) -> None:
    later = pl.int_range(pl.len()) >= 3000
    prices = [pl.when(later).then(pl.col(n) * 3).otherwise(pl.col(n)).alias(n) for n in bars.columns[1:]]
    changed = features(bars.with_columns(prices), daily)
    assert changed[:3000].equals(features(bars, daily)[:3000])
