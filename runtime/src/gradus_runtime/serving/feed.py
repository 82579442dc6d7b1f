"""A feed: a market's history, taken candle by candle, and the decision on its newest complete bar.

Its state is one value that never changes: whoever pushes makes a new one and puts it in the place of the one
it came from, and begins anew where another thread, or a signal handler, was faster. So nothing waits here,
and no exception leaves it half done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from gradus_runtime.candles import COLUMNS, DailyTable, OpenHours, open_hours
from gradus_runtime.candles.columns import row_or_table
from gradus_runtime.candles.daily_tail import DailyTail
from gradus_runtime.candles.reading import ReadCandles, iso_time, read_candles
from gradus_runtime.candles.tail import CandleTail, FeedCounts
from gradus_runtime.contracts.features_graph import FeaturesSpec
from gradus_runtime.decision import Decision
from gradus_runtime.errors import let_signals_through
from gradus_runtime.serving.candle_features import BarFeatures, CandleFeatures
from gradus_runtime.sessions.library import FAULTS
from gradus_runtime.wording import plural

__all__ = ["STALE_BARS", "Decide", "Feed"]

STALE_BARS = 2
"""So many bar lengths after the close of the newest bar it is too old to decide on."""
_LEAST_BARS = 5000
_DAY_MS = 86_400_000
_SPARE_BARS = 16
"""More bars than a graph looks at: those still running, and the one before a gap."""


class Decide(Protocol):
    """Answers features that one version computed by the levels of the same version."""

    def __call__(self, make: Callable[[CandleFeatures], BarFeatures], **options: Any) -> Decision:
        """Let the version that serves now compute features by `make`, and answer them."""


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What was pushed so far.

    Attributes:
        candles: The newest bars.
        daily: The newest dates.
        problem: The rule that the last refused candle broke; None where none was refused.
    """

    candles: CandleTail
    daily: DailyTail
    problem: str | None = None


class Feed:
    """The newest part of a market's history, for `decide`. Make one by `Predictor.feed`.

    Any number of threads may push and decide. What is pushed never raises for the values that it holds.
    """

    def __init__(
        self,
        candles: CandleFeatures,
        decide: Decide,
        current: Callable[[], CandleFeatures],
        clock: Callable[[], float],
    ) -> None:
        self._decide = decide
        self._current = current
        self._clock = clock
        session = candles.session()
        self._spec = session.spec
        self._hours = session.hours
        self._most = _bars_of(session.spec)
        self._state = _State(CandleTail(session.spec.bar_ms), DailyTail())
        self._table: tuple[tuple[object, ...], int, DailyTable] | None = None

    @property
    def counts(self) -> FeedCounts:
        """What came of the candles, those of the history among them."""
        return self._state.candles.counts

    @property
    def problem(self) -> str | None:
        """The rule that the last refused candle broke, and its bar; None where none was refused."""
        return self._state.problem

    @property
    def bar_time(self) -> datetime | None:
        """The opening of the newest bar, complete or not, in UTC; None where there is none."""
        times = self._state.candles.times
        return _moment(times[-1]) if len(times) else None

    @property
    def bar_seconds(self) -> float:
        """Length of a bar."""
        return self._spec.bar_ms / 1000

    @property
    def bars(self) -> int:
        """How many bars are kept."""
        return len(self._state.candles.times)

    def push(self, candle: Any) -> bool:
        """Take a candle as the exchange sends it, or a table of candles.

        A bar that is there already with other values is corrected; a late one is put in its place; one that
        is older than what is kept is ignored. A candle that breaks a rule is refused: what was there of its
        bar stays, else the bar counts as missing. A bar may be pushed while it is running, and again when it
        is complete.

        Args:
            candle: A mapping, or time, open, high, low, close, volume; or a table as in `Predictor.features`.

        Returns:
            Whether this changed any bar.

        Raises:
            UsageError: It is no candle, or lacks a field.
        """
        table = row_or_table(candle, "timestamp")
        while True:
            state = self._state
            self._look(self._current().spec)
            bars, hours = state.candles, self._hours
            read = read_candles(table, bar_ms=bars.bar_ms, now_ms=None, hours=hours)
            values = np.array([read.columns[name] for name in COLUMNS])
            new = bars.add(read.timestamps, values, most=self._most, hours=hours).refused(read.left_out)
            problem = read.reasons[-1] if read.reasons else state.problem
            made = replace(state, candles=new, problem=problem)
            if self._state is state:
                self._state = made
                return new.times is not bars.times or new.values is not bars.values

    def push_daily(self, row: Any) -> None:
        """Take daily values: a mapping with `date` and series, or a table of them.

        A value replaces that of its date and series. Values that are not known change nothing, so that each
        series may be pushed when it is there.

        Args:
            row: As `daily` in `Predictor.features`.

        Raises:
            UsageError: It has no date.
        """
        table = row_or_table(row, "date")
        while True:
            state = self._state
            made = replace(state, daily=state.daily.add(table))
            if self._state is state:
                self._state = made
                return

    def decide(self, *, extra: Mapping[str, Any] | None = None, **options: Any) -> Decision:
        """Decide on the newest complete bar, as `Predictor.decide_candles` does on the same candles.

        More than two bar lengths after the close of that bar the answer is the fallback, with the reason; the
        next bar ends that. It is as well where the version that serves now takes no candles, or others.

        Args:
            extra: Features that come from outside.
            options: As in `Predictor.decide`.

        Raises:
            UsageError: As in `Predictor.decide`.
        """
        state, now_ms = self._state, self._clock() * 1000

        def make(features: CandleFeatures) -> BarFeatures:
            return self._features(state, features, now_ms, extra)

        return self._decide(make, **options)

    def _features(
        self, state: _State, features: CandleFeatures, now_ms: float, extra: Mapping[str, Any] | None
    ) -> BarFeatures:
        """The features of the newest complete bar, or why there are none."""
        self._look(features.spec)
        bars, spec = state.candles, features.spec
        complete = int(np.searchsorted(bars.times, int(now_ms // 1) - bars.bar_ms, side="right"))
        newest = int(bars.times[complete - 1]) if complete else None
        at = None if newest is None else _moment(newest)
        held = self._why_not(spec, newest, now_ms)
        if held is not None or spec is None:
            return BarFeatures({}, at, (held or "",), held=True)
        reasons: tuple[str, ...] = ()
        if complete < len(bars.times):
            reasons = (f"the bar of {iso_time(int(bars.times[-1]))} is still running and was left out",)
        read = ReadCandles(bars.times[:complete], bars.columns(complete), reasons)
        try:
            return features.of_bars(self._in_hours(read), self._daily(state, spec, newest or 0), extra)
        except FAULTS as e:  # the graph cannot be opened, or fails: it is tried again at the next call
            let_signals_through(e)
            return BarFeatures({}, at, (f"the features graph: {type(e).__name__}: {e}",), held=True)

    def _why_not(self, spec: FeaturesSpec | None, newest: int | None, now_ms: float) -> str | None:
        held = self._spec.bar_ms
        if spec is None:
            return "this version takes no candles: it was trained on a table"
        if spec.bar_ms != held:
            ours, theirs = spec.bar_ms / 60_000, held / 60_000
            return f"this version takes bars of {ours:g} {plural(ours, 'minute')}, the feed has {theirs:g}"
        if newest is not None:
            since = _open_ms(newest + held, now_ms, self._hours)
            if since > STALE_BARS * held:
                return f"no bar after that of {iso_time(newest)}"
        return None

    def _in_hours(self, read: ReadCandles) -> ReadCandles:
        """The bars without those that open while the market is closed: by the rules of another version."""
        closed = None if self._hours is None else self._hours.is_closed(read.timestamps)
        if closed is None or not closed.any():
            return read
        columns = {name: values[~closed] for name, values in read.columns.items()}
        return ReadCandles(read.timestamps[~closed], columns, read.reasons)

    def _daily(self, state: _State, spec: FeaturesSpec, newest_ms: int) -> DailyTable:
        """The daily values as the graph takes them; those of the call before where nothing changed."""
        date = newest_ms // _DAY_MS
        key, last = (state.daily.rows, state.candles.closes, spec), self._table
        if last is not None and last[1] == date and all(a is b for a, b in zip(last[0], key, strict=True)):
            return last[2]
        table = state.daily.table(spec, state.candles, newest_ms)
        self._table = key, date, table
        return table

    def _look(self, spec: FeaturesSpec | None) -> None:
        """Note what the version that serves now asks of the feed."""
        if spec is not None and spec is not self._spec and spec.bar_ms == self._spec.bar_ms:
            self._hours = open_hours(spec.gaps)
            self._most = max(self._most, _bars_of(spec))
            self._spec = spec


def _bars_of(spec: FeaturesSpec) -> int:
    """How many bars to keep for a graph."""
    return max(_LEAST_BARS, spec.look_back + spec.gaps.marked_bars + _SPARE_BARS)


def _open_ms(start: int, now_ms: float, hours: OpenHours | None) -> float:
    """How long the market was open between two moments, ms."""
    if hours is None:
        return now_ms - start
    closed = hours.closed_until(np.array([start, int(now_ms)], np.int64))
    return now_ms - start - float(closed[1] - closed[0])


def _moment(ms: Any) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
