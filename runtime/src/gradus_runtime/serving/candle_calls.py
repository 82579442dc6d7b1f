"""What a `Predictor` does with candles: features, decisions, feeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gradus_runtime.decision import Decision
from gradus_runtime.errors import UsageError
from gradus_runtime.rows.moments import read_moment
from gradus_runtime.serving.candle_features import BarFeatures, CandleFeatures
from gradus_runtime.serving.reload import PinnedSource
from gradus_runtime.serving.served_version import ServedVersion
from gradus_runtime.serving.single_row import Decider
from gradus_runtime.sessions.memory import trim

if TYPE_CHECKING:
    from gradus_runtime.serving.feed import Feed

__all__ = ["CandleCalls"]


class CandleCalls:
    """The calls of a `Predictor` that take candles. One version computes the features and answers them."""

    _active: tuple[ServedVersion, Decider]
    _source: PinnedSource
    _decide: Callable[..., Decision]

    @property
    def outside_features(self) -> tuple[str, ...]:
        """Names of the features that no graph computes: they are given beside candles, as `extra`."""
        serving = self._active[0]
        spec = serving.candles.spec
        return tuple(n for n in serving.schema.names if spec is None or n not in spec.names)

    def features(
        self,
        candles: Any,
        daily: Any = None,
        *,
        extra: Mapping[str, Any] | None = None,
        now: Any = None,
        include_running: bool = False,
    ) -> BarFeatures:
        """Compute the features of the newest complete bar, by the graph that the artifact carries.

        Args:
            candles: The tail of the history: a mapping of columns, a list of rows, an array or any dataframe,
                with the opening of each bar, open, high, low, close and volume. Numbers may be text. A candle
                that breaks a rule counts as missing. docs/features.md says how many are enough.
            daily: Daily values up to yesterday: `date` and the series; None where there are none.
            extra: Features that come from outside.
            now: The moment, as `at` in `decide`; by default the clock. A bar that closes later is still
                running and is left out.
            include_running: Keep it nevertheless; for tests.

        Returns:
            Feature to value, None where unavailable; with `bar_time`, and `reasons`: what was left out.

        Raises:
            UsageError: The artifact has no features graph, or the arguments are no tables.
            IntegrityError: The graph is not what was proved at conversion.
        """
        return self._active[0].candles.of(candles, daily, extra, self._now_ms(now, include_running))

    def decide_candles(
        self,
        candles: Any,
        daily: Any = None,
        *,
        extra: Mapping[str, Any] | None = None,
        now: Any = None,
        include_running: bool = False,
        **options: Any,
    ) -> Decision:
        """Decide on the newest complete bar: `features`, then `decide`.

        Args:
            candles: As in `features`; so are the next four.
            daily: Daily values.
            extra: Features that come from outside.
            now: The moment.
            include_running: Keep a bar that is still running.
            options: As in `decide`.

        Returns:
            The decision, with the bar's time; its reasons also say what was left out of the candles.

        Raises:
            UsageError: As in `features` and `decide`.
            IntegrityError: As in `features`.
        """
        active, now_ms = self._active, self._now_ms(now, include_running)
        made = active[0].candles.of(candles, daily, extra, now_ms)
        return self._decide(active, made, made.bar_time, **options)

    def feed(self, history: Any, daily: Any = None, *, clock: Callable[[], float] | None = None) -> Feed:
        """Return a feed: it takes the history candle by candle, and decides on the newest complete bar.

        Args:
            history: Candles so far, as in `features`; a bar that is still running may be among them. As many
                as the features need, or more: docs/features.md says how many that is.
            daily: Daily values so far, as in `features`.
            clock: Seconds since 1970 UTC; by default that of the predictor. Only `Feed.decide` looks at it.

        Raises:
            UsageError: The artifact has no features graph, or the arguments are no tables.
            IntegrityError: The graph is not what was proved at conversion.
        """
        if clock is not None and not callable(clock):
            raise UsageError("clock must be callable", value=clock)
        from gradus_runtime.serving.feed import Feed

        feed = Feed(self._active[0].candles, self._decide_made, self._candles, clock or self._source.clock)
        feed.push(history)
        if daily is not None:
            feed.push_daily(daily)
        trim()  # opening the graph and reading the history took more than stays
        return feed

    def _candles(self) -> CandleFeatures:
        return self._active[0].candles

    def _decide_made(self, make: Callable[[CandleFeatures], BarFeatures], **options: Any) -> Decision:
        active = self._active
        made = make(active[0].candles)
        return self._decide(active, made, made.bar_time, **options)

    def _now_ms(self, now: Any, include_running: bool) -> float | None:
        if include_running:
            return None
        moment = self._source.clock() if now is None else read_moment(now, place="now").timestamp()
        return moment * 1000
