"""What a bot computes for its newest bar is what training computed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from tests.support.candles import BAR_MS, daily_values, random_bars, stamp, without_bars
from tests.support.features import NAMES, UNBRIDGED, features

from gradus_runtime.errors import ConfigError, DataError
from gradus_train.features import latest_features

pytestmark = pytest.mark.filterwarnings("ignore:.*latest_features will be removed:DeprecationWarning")
HISTORY = 4400


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return random_bars(HISTORY + 4000, 21, step=0.003)


@pytest.fixture(scope="module")
def daily() -> pl.DataFrame:
    return daily_values(210, 21)


@pytest.fixture(scope="module")
def whole(bars: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    return features(bars, daily)


def test_it_says_that_it_goes_and_what_succeeds_it(bars: pl.DataFrame) -> None:
    newest = datetime.fromtimestamp(bars["timestamp"][-1] / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = rf"bar that opens at {newest}\..* will be removed in the next release.*Predictor\.decide_candles"
    with pytest.warns(DeprecationWarning, match=said):
        latest_features(bars[-10:], names=["close"])


@pytest.mark.parametrize("end", [HISTORY + 1001, HISTORY + 1777, HISTORY + 3999])
def test_with_enough_history_the_newest_bar_equals_the_batch_bit_for_bit(
    bars: pl.DataFrame, daily: pl.DataFrame, whole: pl.DataFrame, end: int
) -> None:
    got = latest_features(bars[end - HISTORY - 1000 : end], daily[60:])
    assert got == whole.row(end - 1, named=True)
    assert None not in got.values()


@pytest.mark.parametrize("length", [2, 19, 60, 499, 700, 1250, 4000])
def test_with_less_history_a_feature_is_equal_or_unavailable_but_never_another_value(
    bars: pl.DataFrame, daily: pl.DataFrame, whole: pl.DataFrame, length: int
) -> None:
    end = len(bars) - 5
    got = latest_features(bars[end - length : end], daily)
    expected = whole.row(end - 1, named=True)
    assert [n for n in NAMES if got[n] is not None and got[n] != expected[n]] == []
    assert got["close"] is not None
    assert (got["ema_50"] is None) == (length < 1024)
    assert (got["close_ma_20"] is None) == (length < 20)


def test_a_gap_in_the_tail_is_bridged_unless_the_settings_say_no(daily: pl.DataFrame) -> None:
    bars = without_bars(random_bars(6000, 4), [5990])
    assert latest_features(bars, daily)["ema_50"] is not None
    assert latest_features(bars, daily, settings=UNBRIDGED)["ema_50"] is None


def test_rows_may_be_mappings_with_text_stamps_and_shorter_bars() -> None:
    fine = random_bars(1500, 6, bar_ms=BAR_MS // 3)
    rows = [r | {"timestamp": stamp(r["timestamp"])} for r in fine.to_dicts()]
    got = latest_features(rows, names=["close", "volume", "rsi_lag_1"])
    assert got["close"] == np.float32(fine["close"][-1])
    assert got["volume"] == np.float32(fine["volume"][-3] + fine["volume"][-2] + fine["volume"][-1])
    assert got["rsi_lag_1"] is None


def test_a_value_beyond_float32_is_unavailable() -> None:
    bars = random_bars(5).with_columns(volume=pl.lit(1e300))
    assert latest_features(bars, names=["volume"]) == {"volume": None}


def test_a_tail_without_a_complete_bar_is_refused() -> None:
    with pytest.raises(
        DataError,
        match=r"candles_tail: at least one complete bar of 15 minutes is needed, but got .1 incomplete",
    ):
        latest_features(random_bars(2, bar_ms=BAR_MS // 3))


def test_a_tail_that_breaks_a_rule_is_refused_by_row() -> None:
    bars = random_bars(10)
    with pytest.raises(DataError, match=r"candles_tail: row 1[01]: a stamp must occur once"):
        latest_features(pl.concat([bars, bars[-1:]]))
    with pytest.raises(ConfigError, match="'my_own'"):
        latest_features(bars, names=["my_own"])


def test_it_imports_none_of_the_training_libraries() -> None:
    code = (
        "import sys, json\n"
        "from gradus_train.features import latest_features\n"
        "rows = [{'timestamp': f'2024-01-01T00:{15 * i:02}:00Z', 'open': 1, 'high': 2, 'low': 1, 'close': 2,"
        " 'volume': 1} for i in range(4)]\n"
        "latest_features(rows)\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"polars", "numpy", "onnx", "onnxruntime"} <= loaded
    training = {"lightgbm", "xgboost", "sklearn", "imblearn", "optuna", "skops", "scipy", "matplotlib"}
    assert loaded & (training | {"talib", "rich", "jinja2"}) == set()
