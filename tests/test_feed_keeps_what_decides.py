"""A feed: whatever is pushed, in whatever order, its features are those of the whole table, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support.candles import BAR_MS, START_MS, daily_values, random_bars
from tests.support.features import compiled, order_of
from tests.support.feeds import Bot, Graph, features_of

from gradus_runtime.candles.reading import read_candles, read_daily
from gradus_runtime.candles.tail import FeedCounts
from gradus_runtime.contracts.features_graph import Closing, FeaturesSpec, ZoneTable
from gradus_runtime.errors import IntegrityError, UsageError
from gradus_runtime.serving import feed as feeds
from gradus_runtime.serving.candle_features import BarFeatures
from gradus_runtime.serving.feed import Feed
from gradus_train.features import CompiledFeatures, FeatureSettings

NAMES = ("open", "high", "low", "close", "volume")
Bar = tuple[float, ...]


def table_of(bars: dict[int, Bar]) -> dict[str, Any]:
    times = sorted(bars)
    return {"timestamp": times, **{n: [bars[t][i] for t in times] for i, n in enumerate(NAMES)}}


def rows_of(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.to_dicts()


def whole(
    graph: Graph, bars: dict[int, Bar], daily: dict[Any, dict[str, Any]], now_ms: int, **more: Any
) -> BarFeatures:
    """The same from the whole table, read and computed at once."""
    session = graph.session()
    read = read_candles(table_of(bars), bar_ms=BAR_MS, now_ms=now_ms, hours=session.hours)
    rows = [{"date": date, **row} for date, row in daily.items()]
    return graph.of_bars(read, read_daily(rows, session.spec.daily) if rows else None, more.get("extra"))


class Model:
    """The rules of a feed in plain words, beside the feed."""

    def __init__(self, feed: Feed, kept: int) -> None:
        self.feed, self.kept = feed, kept
        self.bars: dict[int, Bar] = {}
        self.daily: dict[Any, dict[str, Any]] = {}

    def push(self, time: int, bar: Bar) -> None:
        held = sorted(self.bars)[-self.kept :]
        self.feed.push([time, *bar])
        if not held or time >= held[0]:
            self.bars[time] = bar

    def push_daily(self, date: Any, row: dict[str, Any]) -> None:
        self.feed.push_daily({"date": date, **row})
        self.daily.setdefault(date, {}).update({k: v for k, v in row.items() if v is not None})


def moves(rng: np.random.Generator, model: Model, rows: list[dict[str, Any]]) -> Iterator[int]:
    """Push bars with every kind of accident; give the newest bar after each step."""
    held_back: list[tuple[int, Bar]] = []
    for row in rows:
        time, bar = row["timestamp"], tuple(row[n] for n in NAMES)
        near_midnight = (time // BAR_MS) % 96 in (94, 95, 0)
        chance = rng.random()
        if chance < (0.4 if near_midnight else 0.08):
            if rng.random() < 0.5:
                held_back.append((time, bar))
            continue
        if chance > 0.95:  # while it runs
            model.push(time, (*bar[:3], bar[0], bar[4] / 2))
        model.push(time, bar)
        if held_back and rng.random() < 0.2:
            model.push(*held_back.pop(int(rng.integers(len(held_back)))))
        if rng.random() < 0.1:
            past = int(rng.choice(sorted(model.bars)))
            correction = model.bars[past]
            change = float(rng.choice([0.0, 1.0]))
            model.push(past, (*correction[:4], correction[4] + change))
        if rng.random() < 0.05:
            model.feed.push([time, bar[0], bar[2] - 1.0, bar[1], bar[3], bar[4]])  # high below low
        yield time


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_pushes_give_the_bits_of_the_whole_table(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_LEAST_BARS", 1)  # so that bars go, and closes of dates stay
    graph = Graph(compiled(None, settings=FeatureSettings()))
    spec = graph.session().spec
    rng = np.random.default_rng(seed)
    bars = rows_of(random_bars(7600, seed))
    daily = daily_values(150, seed).to_dicts()
    bot = Bot(graph)
    model = Model(bot.feed(), spec.look_back + spec.gaps.marked_bars + 16)
    known = [row for row in daily if _days(row["date"]) < START_MS // 86_400_000]
    for row in known:
        model.push_daily(row.pop("date"), row)
    later = [row for row in daily if "date" in row]
    served: set[str] = set()
    for step, time in enumerate(moves(rng, model, bars)):
        while later and _days(later[0]["date"]) < time // 86_400_000:
            row = later.pop(0)
            date = row.pop("date")
            for name in rng.permutation(list(row)).tolist():  # each series when it comes
                model.push_daily(date, {name: row[name]})
        if step < 5200 or step % 29:
            continue
        bot.now_ms = time + BAR_MS
        got, want = features_of(model.feed), whole(graph, model.bars, model.daily, bot.now_ms)
        assert dict(got) == dict(want)
        assert (got.bar_time, got.reasons) == (want.bar_time, want.reasons)
        served |= {name for name, value in got.items() if value is not None}
    assert served == set(spec.names)
    assert model.feed.bars == model.kept < len(model.bars)
    counts = model.feed.counts
    assert min(counts.corrected, counts.late, counts.repeated, counts.too_old, counts.refused) > 0


def test_daily_values_of_years_and_of_days_to_come_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_LEAST_BARS", 1)
    graph = Graph(compiled(None, settings=FeatureSettings()))
    bars = {row["timestamp"]: tuple(row[n] for n in NAMES) for row in rows_of(random_bars(5300, 5))}
    long = daily_values(5000, 5, start="2017-01-01")  # to 2030; the bars end in January 2024
    daily = {row.pop("date"): row for row in long.to_dicts()}
    bot = Bot(graph)
    feed = bot.feed()
    times = sorted(bars)
    feed.push(table_of({time: bars[time] for time in times[:-300]}))
    feed.push_daily(long)
    for i, time in enumerate(times[-300:]):
        feed.push([time, *bars[time]])
        if i % 37:
            continue
        bot.now_ms = time + BAR_MS
        got = features_of(feed)
        assert got == whole(graph, bars, daily, bot.now_ms)
        assert None not in got.values()


def _days(date: Any) -> int:
    return int(np.datetime64(date, "D").astype(int))


SMALL = order_of({"change": "delta(close, 4) / close", "mean": "mean(volume, 40)", "hour": "hour"})


@pytest.fixture(scope="module")
def small() -> CompiledFeatures:
    return compiled(SMALL, settings=FeatureSettings())


@pytest.fixture
def bot(small: CompiledFeatures) -> Bot:
    return Bot(Graph(small))


ROWS = rows_of(random_bars(300))


def after(row: dict[str, Any], bars: float = 1.0) -> int:
    """A moment so many bar lengths after the opening of a bar."""
    return int(row["timestamp"] + bars * BAR_MS)


def test_each_kind_of_candle_has_its_counter_and_its_effect(bot: Bot) -> None:
    feed = bot.feed()
    assert feed.push(ROWS[:50] + ROWS[51:100])
    assert feed.counts == FeedCounts(added=99)
    bot.now_ms = after(ROWS[99])
    first = features_of(feed)
    assert feed.push(ROWS[99]) is False
    assert feed.counts == FeedCounts(added=99, repeated=1)
    assert features_of(feed) == first
    corrected = {**ROWS[99], "volume": ROWS[99]["volume"] + 40.0}
    assert feed.push(corrected)
    mean, before = features_of(feed)["mean"], first["mean"]
    assert mean is not None
    assert before is not None
    assert mean == pytest.approx(before + 1.0)
    feed.push(ROWS[99])
    assert features_of(feed) == first
    assert feed.push(ROWS[50])
    assert feed.push({**ROWS[0], "timestamp": ROWS[0]["timestamp"] - BAR_MS}) is False
    assert feed.counts == FeedCounts(added=99, repeated=1, corrected=2, late=1, too_old=1)
    assert features_of(feed).reasons == ()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"timestamp": ROWS[100]["timestamp"] + 1}, "a time must be a multiple of 15 minutes"),
        ({"high": 1.0}, "high must be the highest"),
        ({"close": math.nan}, "values must be finite numbers"),
        ({"volume": math.inf}, "values must be finite numbers"),
        ({"open": "n/a"}, "values must be finite numbers"),
        ({"timestamp": None}, "a time must be a date and a time of day"),
    ],
)
def test_a_candle_that_breaks_a_rule_is_refused_and_its_bar_is_missing(
    bot: Bot, change: dict[str, Any], rule: str
) -> None:
    feed = bot.feed()
    feed.push(ROWS[:100])
    assert feed.push({**ROWS[100], **change}) is False
    assert feed.counts == FeedCounts(added=100, refused=1)
    assert feed.problem is not None
    assert feed.problem.startswith(f"1 candle counts as missing: {rule}")
    feed.push(ROWS[101])
    bot.now_ms = after(ROWS[101])
    assert features_of(feed).reasons == ("bridged 1 bar",)
    feed.push(ROWS[100])  # in order this time
    assert features_of(feed).reasons == ()


def test_a_feed_that_took_no_candle_decides_on_none(bot: Bot) -> None:
    feed = bot.feed()
    for _ in range(2):
        found = features_of(feed)
        assert (found.bar_time, found.reasons) == (None, ("no candle is complete",))
        feed.push({"timestamp": 0, **dict.fromkeys(("open", "high", "low", "close", "volume"), "7,25")})
    assert feed.counts.refused == 2


def test_a_refused_correction_leaves_the_bar_as_it_was(bot: Bot) -> None:
    feed = bot.feed()
    feed.push(ROWS[:100])
    bot.now_ms = after(ROWS[99])
    before = features_of(feed)
    feed.push({**ROWS[99], "low": ROWS[99]["high"] + 1.0})
    assert features_of(feed) == before


def test_more_than_two_bars_without_a_bar_are_too_long_and_the_next_bar_ends_it(bot: Bot) -> None:
    feed = bot.feed()
    feed.push(ROWS[:100])
    bot.now_ms = after(ROWS[99], 3)
    assert not features_of(feed).held
    bot.now_ms += 1
    stale = features_of(feed, extra={"book": 1.0})
    assert (stale.held, dict(stale)) == (True, {})
    newest = datetime.fromtimestamp(ROWS[99]["timestamp"] / 1000, UTC)
    assert stale.reasons == (f"no bar after that of {newest:%Y-%m-%dT%H:%M:%SZ}",)
    assert stale.bar_time == newest
    feed.push(ROWS[101])
    assert not features_of(feed).held


def test_only_the_decision_looks_at_a_clock(small: CompiledFeatures) -> None:
    def never() -> float:
        raise RuntimeError("no clock here")

    bot = Bot(Graph(small))
    feed = Feed(bot.graph, bot.answer, lambda: bot.graph, never)
    feed.push(ROWS[:100])
    feed.push_daily({"date": "2026-01-01", "usd_jpy": 150.0})
    with pytest.raises(RuntimeError, match="no clock here"):
        feed.decide()


def test_a_bar_that_runs_waits_for_its_end(bot: Bot) -> None:
    feed = bot.feed()
    feed.push(ROWS[:100])
    bot.now_ms = after(ROWS[99])
    complete = features_of(feed)
    feed.push({**ROWS[100], "volume": 0.0})
    running = features_of(feed)
    assert dict(running) == dict(complete)
    assert running.bar_time == complete.bar_time
    assert "is still running and was left out" in running.reasons[0]
    assert feed.bar_time == datetime.fromtimestamp(ROWS[100]["timestamp"] / 1000, UTC)
    bot.now_ms = after(ROWS[100])
    feed.push(ROWS[100])
    whole_bars = {r["timestamp"]: tuple(r[n] for n in NAMES) for r in ROWS[:101]}
    assert features_of(feed) == whole(bot.graph, whole_bars, {}, bot.now_ms)


def test_a_version_with_other_features_keeps_the_feed(bot: Bot) -> None:
    feed = bot.feed()
    feed.push(ROWS[:250])
    bot.now_ms = after(ROWS[249])
    longer = order_of({"long": "mean(close, 240)", "rate": "daily(usd_jpy)"}, daily=("usd_jpy",))
    feed.push_daily({"date": "2023-11-16", "usd_jpy": 150.5})
    old, bot.graph = bot.graph, Graph(compiled(longer, settings=FeatureSettings()))
    got = features_of(feed)
    assert got["long"] == np.float32(np.mean([r["close"] for r in ROWS[10:250]]))
    assert got["rate"] == 150.5
    bot.graph = old
    assert set(features_of(feed)) == {"change", "mean", "hour"}


def test_a_version_without_a_graph_or_with_other_bars_answers_the_fallback_with_the_reason(
    bot: Bot, small: CompiledFeatures
) -> None:
    feed = bot.feed()
    feed.push(ROWS[:100])
    bot.now_ms = after(ROWS[99])
    old, bot.graph = bot.graph, Graph(None)
    none = features_of(feed)
    assert (none.held, none.reasons) == (True, ("this version takes no candles: it was trained on a table",))
    feed.push(ROWS[100])
    hourly = Graph(small)
    hourly._made = CompiledFeatures(small.model, replace(small.spec, bar_ms=4 * BAR_MS))
    bot.graph = hourly
    other = features_of(feed)
    assert other.held
    assert other.reasons == ("this version takes bars of 60 minutes, the feed has 15",)
    bot.graph = old
    bot.now_ms = after(ROWS[100])
    assert not features_of(feed).held
    assert feed.counts == FeedCounts(added=101)


def test_a_graph_that_fails_holds_until_it_works_again(bot: Bot) -> None:
    feed = bot.feed()
    feed.push(ROWS[:100])
    bot.now_ms = after(ROWS[99])
    bot.graph.problem = IntegrityError("golden candles must give the features of training, bit for bit")
    failed = features_of(feed)
    assert failed.held
    assert failed.reasons[0].startswith("the features graph: IntegrityError: golden candles must give")
    bot.graph.problem = None
    assert not features_of(feed).held


def test_closing_hours_are_no_outage_and_bars_in_them_are_refused(small: CompiledFeatures) -> None:
    zone = ZoneTable("UTC", START_MS - 10**10, START_MS + 10**11, (), (0,))
    weekend = Closing(4 * 1440 + 1020, 6 * 1440 + 1020)  # Friday to Sunday, 17:00
    graph = Graph(CompiledFeatures(small.model, replace(small.spec, gaps=_closed(small.spec, weekend, zone))))
    bot = Bot(graph)
    feed = bot.feed()
    friday = START_MS + 2 * 86_400_000 + 68 * BAR_MS  # Friday 17:00
    before = [{**ROWS[i], "timestamp": friday - (60 - i) * BAR_MS} for i in range(60)]
    feed.push(before)
    bot.now_ms = friday + 40 * 3_600_000
    assert not features_of(feed).held
    feed.push({**ROWS[60], "timestamp": friday})
    assert feed.counts.refused == 1
    bot.now_ms = friday + 48 * 3_600_000 + 2 * BAR_MS
    assert not features_of(feed).held
    bot.now_ms += 1
    assert features_of(feed).held
    plain = Bot(Graph(small), bot.now_ms)
    plain.now_ms = friday + 61 * BAR_MS
    other = plain.feed()
    other.push([*before, *({**ROWS[60 + i], "timestamp": friday + i * BAR_MS} for i in range(4))])
    plain.now_ms = friday + 4 * BAR_MS
    assert features_of(other).reasons == ()
    plain.graph = graph  # a version that knows of the closing hours
    got = features_of(other)
    assert not got.held
    assert dict(got) == dict(features_of(feed_of(graph, before, plain.now_ms)))


def feed_of(graph: Graph, rows: list[dict[str, Any]], now_ms: int) -> Feed:
    feed = Bot(graph, now_ms).feed()
    feed.push(rows)
    return feed


def _closed(spec: FeaturesSpec, closing: Closing, zone: ZoneTable) -> Any:
    return replace(spec.gaps, closings=(closing,), zone=zone)


def test_a_close_that_was_carried_over_a_gap_goes_with_the_rule_that_carried_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeds, "_LEAST_BARS", 1)
    order = order_of({"past": "daily(lag(close * usd_jpy, 2))"}, daily=("usd_jpy",))
    bridged = Graph(compiled(order, settings=FeatureSettings(bridge_bars=1)))
    strict = Graph(compiled(order, settings=FeatureSettings(bridge_bars=0)))
    rows = rows_of(random_bars(5 * 96))
    midnight = rows.pop(95)  # the last bar of the first day
    bars = {r["timestamp"]: tuple(r[n] for n in NAMES) for r in rows}
    daily = {f"2023-11-{15 + i}": {"usd_jpy": 1.0 + i} for i in range(4)}
    for end in range(3 * 96, 4 * 96, 7):
        bot = Bot(bridged, after(rows[end]))
        feed = bot.feed()
        for row in rows[: end + 1]:
            feed.push(row)
        for date, row in daily.items():
            feed.push_daily({"date": date, **row})
        assert feed.bars < end - 95
        assert rows[end]["timestamp"] > midnight["timestamp"] + 2 * 86_400_000
        known = {t: bar for t, bar in bars.items() if t <= rows[end]["timestamp"]}
        for graph in (bridged, strict):
            bot.graph = graph
            assert dict(features_of(feed)) == dict(whole(graph, known, daily, bot.now_ms))


@pytest.mark.parametrize("value", [5, None, "text", {"close": 1.0}, [[1, 2], 3]])
def test_what_is_no_candle_is_wrong_use(bot: Bot, value: object) -> None:
    feed = bot.feed()
    with pytest.raises(UsageError, match=r"candles|rows"):
        feed.push(value)
    assert feed.counts == FeedCounts()


def test_candles_may_be_pushed_in_any_form(bot: Bot) -> None:
    feed = bot.feed()
    text = {k: str(v) for k, v in ROWS[0].items() if k != "timestamp"}
    stamp = datetime.fromtimestamp(ROWS[4]["timestamp"] / 1000, UTC)
    feed.push({"t": ROWS[0]["timestamp"], **{k[0]: v for k, v in text.items()}})
    feed.push([ROWS[1]["timestamp"], *(str(ROWS[1][n]) for n in NAMES), "more"])
    feed.push(np.array([ROWS[2]["timestamp"], *(ROWS[2][n] for n in NAMES)]))
    feed.push(pl.DataFrame(ROWS[3:4]).to_pandas())
    feed.push({**ROWS[4], "timestamp": stamp.isoformat()})
    feed.push(pl.DataFrame(ROWS[5:40]))
    feed.push({name: [row[name] for row in ROWS[40:60]] for name in ROWS[0]})
    feed.push([])
    bot.now_ms = after(ROWS[59])
    bars = {r["timestamp"]: tuple(r[n] for n in NAMES) for r in ROWS[:60]}
    assert features_of(feed) == whole(bot.graph, bars, {}, bot.now_ms)
    assert feed.counts == FeedCounts(added=60)


def test_what_a_signal_handler_pushes_meanwhile_stays(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = bot.feed()
    feed.push(ROWS[:50])
    read = feeds.read_candles
    pending = [ROWS[51]]

    def interrupted(*args: Any, **options: Any) -> Any:
        if pending:
            feed.push(pending.pop())
        return read(*args, **options)

    monkeypatch.setattr(feeds, "read_candles", interrupted)
    feed.push(ROWS[50])
    assert feed.bars == 52
