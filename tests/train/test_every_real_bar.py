"""Every bar of both real files, pushed into a feed one by one: the bits that training has of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.features import compiled
from tests.support.feeds import Bot, Graph, features_of

from gradus_train.features import FeatureSettings, builtin_order, compute_features
from gradus_train.ingest import load_candles, load_daily

pytestmark = [pytest.mark.real_data, pytest.mark.long]

BAR_MS = 900_000


@pytest.mark.parametrize(("name", "bars"), [("btc_jpy_15m.csv", 23_000), ("btc_usdt_15m_2024.csv", 35_000)])
def test_a_feed_gives_every_bar_the_bits_of_training(development_data: Path, name: str, bars: int) -> None:
    made = compiled(None, settings=FeatureSettings())
    daily = load_daily(development_data / "macro_daily.csv", builtin_order().daily).frame
    candles = load_candles(development_data / name, bar_ms=BAR_MS).frame
    whole = compute_features(made, candles, daily)
    values = dict(zip(whole.bars.timestamps.tolist(), whole.values, strict=True))
    bot = Bot(Graph(made))
    feed = bot.feed()
    feed.push_daily(daily)
    compared = complete = 0
    for i, (time, *bar) in enumerate(candles.iter_rows()):
        feed.push([time, *bar])
        bot.now_ms = time + BAR_MS
        given = features_of(feed).values()
        got = np.array([np.nan if value is None else value for value in given], np.float32)
        want = values[time]
        if i < made.spec.look_back:  # a feed does not know that this is where the market begins
            want = np.where(np.isnan(got), np.float32(np.nan), want)
        assert (got.view(np.uint32) == want.view(np.uint32))[~np.isnan(want)].all(), time
        assert (np.isnan(got) == np.isnan(want)).all(), time
        compared += 1
        complete += int(not np.isnan(got).any())
    assert compared > bars
    assert complete > 0.7 * compared
