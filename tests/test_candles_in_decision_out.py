"""Candles in, decision out: the runtime computes the features by the artifact's own graph."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.test_features_travel import made as made  # the same artifact, one for this module

from gradus_runtime import Predictor
from gradus_runtime.candles.reading import read_candles, read_daily
from gradus_runtime.candles.tail import FeedCounts
from gradus_runtime.errors import UsageError
from gradus_runtime.journal import read_journal
from gradus_runtime.serving.candle_features import BarFeatures, CandleFeatures
from gradus_train.features import CompiledFeatures, compute_features
from gradus_train.ingest import load_candles, load_daily

BAR = 900_000
NAMES = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def bot(made: Path) -> Predictor:
    return Predictor.open(made / "own")


@pytest.fixture(scope="module")
def candles(made: Path) -> pl.DataFrame:
    return load_candles(made / "market/candles.csv", bar_ms=BAR).frame


@pytest.fixture(scope="module")
def daily(made: Path) -> pl.DataFrame:
    return load_daily(made / "market/macro.csv", ("usd_jpy",)).frame


@pytest.fixture(scope="module")
def whole(bot: Predictor, made: Path, candles: pl.DataFrame, daily: pl.DataFrame) -> np.ndarray[Any, Any]:
    graph = bot._active[0].manifest.features_graph
    assert graph is not None
    compiled = CompiledFeatures((made / "run/features.onnx").read_bytes(), graph.spec)
    table = compute_features(compiled, candles, daily)
    return table.values[~table.bars.bridged]


def now_of(candles: pl.DataFrame) -> int:
    return int(candles["timestamp"][-1]) + BAR


def test_a_tail_gives_the_bits_of_training(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame, whole: np.ndarray[Any, Any]
) -> None:
    for end in (1500, 1777, 2000, len(candles)):
        tail = candles[end - 1000 : end]
        got = bot.features(tail, daily, now=now_of(tail))
        want = [None if np.isnan(v) else float(v) for v in whole[end - 1]]
        assert dict(got) == dict(zip(("atr_return", "hour", "slow", "rate"), want, strict=True))
        assert None not in want
        assert got.bar_time == datetime.fromtimestamp(tail["timestamp"][-1] / 1000, UTC)
        decision = bot.decide_candles(tail, daily, now=now_of(tail))
        again = bot.decide(dict(got), at=got.bar_time)
        assert decision == again
        assert decision.level == "all"


def forms(candles: pl.DataFrame) -> dict[str, Any]:
    """The same candles in every form that a bot may have them in."""
    rows = candles.to_dicts()
    text = [{k: v if k == "timestamp" else repr(v) for k, v in row.items()} for row in rows]
    klines = [[row["timestamp"], *(str(row[n]) for n in NAMES), "ignored"] for row in rows]
    stamped = [{**row, "timestamp": datetime.fromtimestamp(row["timestamp"] / 1000, UTC)} for row in rows]
    iso = [{**row, "timestamp": row["timestamp"].isoformat()} for row in stamped]
    short = {n[0]: candles[n].to_list() for n in NAMES} | {"t": [t // 1000 for t in candles["timestamp"]]}
    arrays = {n: candles[n].to_numpy() for n in candles.columns}
    dates = candles.with_columns(pl.from_epoch("timestamp", "ms").dt.replace_time_zone("UTC"))
    frame = pd.DataFrame(arrays).assign(Timestamp=pd.to_datetime(arrays["timestamp"], unit="ms", utc=True))
    return {
        "polars": candles,
        "polars with datetimes": dates,
        "pandas": pd.DataFrame(arrays),
        "pandas with datetimes": frame.drop(columns="timestamp"),
        "pyarrow": pa.table(arrays),
        "columns": arrays,
        "short names, seconds": short,
        "rows": rows,
        "text numbers": text,
        "lists, as exchanges send them": klines,
        "datetimes": stamped,
        "ISO 8601": iso,
        "array": np.column_stack([arrays["timestamp"], *(arrays[n] for n in NAMES)]),
        "structured array": np.array([tuple(r.values()) for r in rows], [(n, "f8") for n in candles.columns]),
        "in another order": rows[::-1],
        "microseconds": {**arrays, "timestamp": arrays["timestamp"] * 1000},
    }


def test_candles_may_come_in_any_form(bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame) -> None:
    tail = candles[-700:]
    want = bot.features(tail, daily, now=now_of(tail))
    assert None not in want.values()
    for name, form in forms(tail).items():
        got = bot.features(form, daily, now=now_of(tail))
        assert got == want, name
        assert got.bar_time == want.bar_time, name
    rows = [{k: None if v is None else str(v) for k, v in row.items()} for row in daily.to_dicts()]
    for table in (rows, daily.to_dict(as_series=False), daily.to_pandas()):
        assert bot.features(tail, table, now=now_of(tail)) == want


def test_a_bar_that_is_still_running_is_left_out_and_said(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame
) -> None:
    tail = candles[-700:]
    running = now_of(tail) - 1
    got = bot.decide_candles(tail, daily, now=running)
    before = bot.decide_candles(tail[:-1], daily, now=running)
    last = datetime.fromtimestamp(tail["timestamp"][-1] / 1000, UTC)
    assert got.bar_time == before.bar_time == last - timedelta(minutes=15)
    assert got.probabilities == before.probabilities
    assert f"the bar of {last:%Y-%m-%dT%H:%M:%SZ} is still running and was left out" in got.reasons
    whole = bot.decide_candles(tail, daily, now=running, include_running=True)
    assert whole.bar_time == last
    assert whole == bot.decide_candles(tail, daily, now=now_of(tail))


def test_the_clock_says_what_is_running_unless_the_caller_does(made: Path, candles: pl.DataFrame) -> None:
    with Predictor.open(made / "own", clock=lambda: now_of(candles) / 1000 - 1) as bot:
        assert bot.features(candles).bar_time == datetime.fromtimestamp(candles["timestamp"][-2] / 1000, UTC)


def test_a_missing_candle_is_bridged_and_said(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame
) -> None:
    tail = candles[-700:]
    gone = tail.filter(~pl.int_range(pl.len()).is_in([660, 661]))
    decision = bot.decide_candles(gone, daily, now=now_of(tail))
    assert decision.level == "all"
    assert decision.reasons[-1] == "bridged 2 bars"
    far = tail.filter(~pl.int_range(pl.len()).is_in([600]))
    assert bot.decide_candles(far, daily, now=now_of(tail)).reasons == ()
    hole = tail.filter(~pl.int_range(pl.len()).is_in(range(690, 696)))
    held = bot.decide_candles(hole, daily, now=now_of(tail))
    assert held.level == "fallback"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"high": 1.0}, "high must be the highest"),
        ({"low": 1e12}, "high must be the highest"),
        ({"close": float("nan")}, "values must be finite numbers"),
        ({"close": "n/a"}, "values must be finite numbers"),
        ({"volume": -1.0}, "volume must be at least 0"),
        ({"open": 0.0, "low": 0.0}, "prices must be above 0"),
        ({"timestamp": "soon"}, "a time must be a date and a time of day"),
        ({"timestamp": None}, "a time must be a date and a time of day"),
        ({"timestamp": 1_736_000_000_123}, "a time must be a multiple of 15 minutes"),
    ],
)
def test_a_candle_that_breaks_a_rule_counts_as_missing(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame, change: dict[str, Any], rule: str
) -> None:
    tail = candles[-700:]
    rows = tail.to_dicts()
    rows[650] = rows[650] | change
    decision = bot.decide_candles(rows, daily, now=now_of(tail))
    without = bot.decide_candles(rows[:650] + rows[651:], daily, now=now_of(tail))
    assert decision.probabilities == without.probabilities
    assert any(r.startswith(f"1 candle counts as missing: {rule}") for r in decision.reasons)
    assert "bridged 1 bar" in decision.reasons


def test_a_correction_that_comes_later_counts(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame
) -> None:
    rows = candles[-700:].to_dicts()
    wrong = [*rows[:600], rows[600] | {"volume": 1.0, "close": rows[600]["low"]}, *rows[601:], rows[600]]
    now = rows[-1]["timestamp"] + BAR
    assert bot.features(wrong, daily, now=now) == bot.features(rows, daily, now=now)


def test_without_enough_candles_a_lower_answer_serves_and_nothing_raises(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame
) -> None:
    tail = candles[-30:]
    got = bot.features(tail, daily, now=now_of(tail))
    assert [n for n, v in got.items() if v is None] == ["atr_return", "slow"]
    assert bot.decide_candles(tail, daily, now=now_of(tail)).level == "fallback"
    none = bot.decide_candles([], daily)
    assert (none.level, none.bar_time) == ("fallback", None)
    assert none.reasons[-1] == "no candle is complete"
    assert bot.decide_candles(candles[-700:], None, now=now_of(candles)).level == "alone"


def test_features_from_outside_are_given_beside(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame
) -> None:
    got = bot.features(candles[-700:], daily, extra={"book": 0.5, "rate": None}, now=now_of(candles))
    assert got["book"] == 0.5
    assert got["rate"] is None


def test_a_feed_decides_as_the_table_of_what_it_was_given_does(
    bot: Predictor, candles: pl.DataFrame, daily: pl.DataFrame
) -> None:
    now = [0.0]
    rows = candles.to_dicts()
    feed = bot.feed(rows[:1500], daily, clock=lambda: now[0])
    levels = set()
    for end in range(1500, 1560):
        if end % 7:
            feed.push(rows[end])
        if end == 1530:
            feed.push([row for i, row in enumerate(rows[1500:1530], 1500) if i % 7 == 0])  # late
        now[0] = (rows[end]["timestamp"] + BAR) / 1000
        known = [r for i, r in enumerate(rows[:1560]) if i <= end and (i < 1500 or i % 7 or i < 1530 <= end)]
        want = bot.decide_candles(known, daily, now=now[0] * 1000)
        got = feed.decide()
        assert got == want
        levels.add(got.level)
    assert levels == {"all"}
    assert feed.counts == FeedCounts(added=1552, late=4)


def test_a_feed_without_news_gives_the_fallback_whatever_is_filled(
    made: Path, candles: pl.DataFrame, daily: pl.DataFrame, tmp_path: Path
) -> None:
    tail = candles[-700:]
    now = [now_of(tail) / 1000]
    fill = {"price": 0.0, "rates": 0.0}
    with Predictor.open(made / "own", clock=lambda: now[0], journal=tmp_path / "journal") as bot:
        feed = bot.feed(tail, daily)
        assert feed.decide(fill=fill).level == "all"
        now[0] += 2 * 900 + 0.001
        stale = feed.decide(fill=fill)
        assert stale.level == "fallback"
        assert stale.reasons[-1].startswith("no bar after that of 20")
        assert stale.bar_time == feed.bar_time
    line = read_journal([tmp_path / "journal"]).decisions[-1]
    assert line.reasons == stale.reasons
    assert line.values is not None
    assert np.isnan(line.values).all()


def test_one_version_computes_the_features_and_answers_them(
    made: Path, candles: pl.DataFrame, daily: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = candles[-700:]
    other = Predictor.open(Path(__file__).parent / "golden/pair/2026.11.21")
    with Predictor.open(made / "own", clock=lambda: now_of(tail) / 1000) as bot:
        feed = bot.feed(tail, daily)
        first, of_bars = bot._active, CandleFeatures.of_bars

        def meanwhile(self: CandleFeatures, *args: Any) -> BarFeatures:
            bot._active = other._active  # a reload in another thread
            return of_bars(self, *args)

        monkeypatch.setattr(CandleFeatures, "of_bars", meanwhile)
        assert feed.decide().version == "2026.1.2"
        bot._active = first
        assert bot.decide_candles(tail, daily).version == "2026.1.2"
        assert feed.decide().reasons[-1] == "this version takes no candles: it was trained on a table"
        bot._active = first


def test_features_that_are_decided_later_give_the_same_reasons_with_a_journal_and_without(
    bot: Predictor, made: Path, candles: pl.DataFrame, daily: pl.DataFrame, tmp_path: Path
) -> None:
    tail = candles[-700:].filter(~pl.int_range(pl.len()).is_in([660]))
    with Predictor.open(made / "own", journal=tmp_path) as keeps:
        for each in (bot, keeps):
            features = each.features(tail, daily, now=now_of(tail))
            assert each.decide(features, at=features.bar_time).reasons == ("bridged 1 bar",)


@pytest.mark.parametrize("table", ["text", 5, None, {"a": [1]}, [1, 2], [{"close": 1}]])
def test_what_is_no_table_of_candles_is_wrong_use(bot: Predictor, table: object) -> None:
    with pytest.raises(UsageError, match=r"candles|rows"):
        bot.features(table)


def test_an_artifact_without_a_graph_says_so() -> None:
    bot = Predictor.open(Path(__file__).parent / "golden/pair/2026.11.21")
    with pytest.raises(UsageError, match="a version must carry its features to take candles"):
        bot.decide_candles([])


def test_it_takes_onnxruntime_and_numpy_alone(made: Path, candles: pl.DataFrame) -> None:
    (made / "tail.json").write_text(json.dumps(candles[-700:].to_dicts()))
    code = (
        "import json, sys\nfrom gradus_runtime import Predictor\n"
        f"rows = json.load(open({str(made / 'tail.json')!r}))\n"
        f"d = Predictor.open({str(made / 'own')!r}).decide_candles(rows)\n"
        "ours = {m.split('.')[0] for m in sys.modules if '.' in m or m.startswith('gradus')}\n"
        "print(json.dumps([d.level, sorted(ours)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    level, modules = json.loads(done.stdout)
    assert level == "alone"
    foreign = {
        "polars",
        "pandas",
        "onnx",
        "talib",
        "gradus_train",
        "gradus_convert",
        "gradus_live",
        "sklearn",
    }
    assert not foreign & set(modules)


def test_daily_values_may_have_the_closes_that_a_feed_keeps() -> None:
    table = read_daily(
        {"date": ["2026-01-02", "2026-01-01"], "x": [2, "1"], "close": [None, 7.0]}, ["x", "y"]
    )
    assert table.series["x"].tolist() == [1.0, 2.0]
    assert np.isnan(table.series["y"]).all()
    assert table.close is not None
    assert table.close.tolist()[0] == 7.0


def test_a_number_of_no_size_of_time_is_no_moment() -> None:
    read = read_candles({n: [1e30] for n in ("timestamp", *NAMES)}, bar_ms=BAR, now_ms=None)
    assert len(read.timestamps) == 0
    assert read.reasons == ("1 candle counts as missing: a time must be a date and a time of day",)
