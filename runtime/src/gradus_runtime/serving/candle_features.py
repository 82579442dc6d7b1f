"""Features of candles, by the graph that the artifact carries.

What reads candles is imported where a version with a graph is opened: other bots do not load it, and no
bar's step does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.contracts.features_graph import FeaturesGraph, FeaturesSpec
from gradus_runtime.errors import IntegrityError, UsageError
from gradus_runtime.serving.version_files import VersionFiles

if TYPE_CHECKING:
    from gradus_runtime.candles import BarTable, DailyTable
    from gradus_runtime.candles.reading import ReadCandles
    from gradus_runtime.sessions.features_session import FeaturesSession

__all__ = ["BarFeatures", "CandleFeatures"]


class BarFeatures(dict[str, float | None]):
    """The features of one bar: name to value, None where unavailable.

    Attributes:
        bar_time: The opening of the bar, in UTC; None where no candle was complete.
        reasons: What was left out of the candles, and whether bars were bridged.
        left_out: How many candles broke a rule and count as missing.
        held: There are none, for the last of the reasons: whatever the call asks for, the answer is the
            fallback.
    """

    def __init__(
        self,
        values: Mapping[str, float | None],
        bar_time: datetime | None,
        reasons: tuple[str, ...],
        *,
        held: bool = False,
        left_out: int = 0,
    ) -> None:
        super().__init__(values)
        self.bar_time = bar_time
        self.reasons = reasons
        self.held = held
        self.left_out = left_out


class CandleFeatures:
    """The features graph of one version, opened and proved when it is first needed. Safe for any thread.

    Args:
        files: Of the version.
        graph: What the manifest says of the graph; None where the version has none.
    """

    def __init__(self, files: VersionFiles, graph: FeaturesGraph | None) -> None:
        self._files = files
        self._graph = graph
        self._session: FeaturesSession | None = None
        if graph is not None:
            _load()

    @property
    def spec(self) -> FeaturesSpec | None:
        """What the graph computes, and how it is fed; None where the version has none."""
        return None if self._graph is None else self._graph.spec

    def session(self) -> FeaturesSession:
        """Return the open graph; its golden candles came out bit for bit.

        Raises:
            UsageError: The version has no graph.
            IntegrityError: It is not what was proved at conversion.
        """
        session, graph = self._session, self._graph
        if session is None:
            if graph is None:
                raise UsageError(
                    "a version must carry its features to take candles",
                    place=self._files.origin,
                    hint="It was trained on a table of features: compute them, and use decide or predict.",
                )
            from gradus_runtime.candles import read_golden_candles
            from gradus_runtime.sessions.features_session import FeaturesSession, replay_golden_candles

            place = f"{self._files.origin}/{graph.golden}"
            golden = read_golden_candles(self._files.read(graph.golden), place=place, error=IntegrityError)
            session = FeaturesSession(self._files.read(graph.file), graph.spec)
            replay_golden_candles(session, golden, place=place)
            self._session = session
        return session

    def prove(self) -> None:
        """Open and prove the graph, where the version has one.

        Raises:
            IntegrityError: It is not what was proved at conversion.
        """
        if self._graph is not None:
            self.session()

    def of(
        self, candles: Any, daily: Any, extra: Mapping[str, Any] | None, now_ms: float | None
    ) -> BarFeatures:
        """Compute the features of the newest complete bar.

        Args:
            candles: As in `read_candles`.
            daily: As in `read_daily`; None where there are none.
            extra: Features that come from outside.
            now_ms: A bar that closes later is still running and is left out; None keeps it.

        Raises:
            UsageError: The version has no graph; the candles or the daily values are no table.
        """
        from gradus_runtime.candles.reading import read_candles, read_daily

        session = self.session()
        spec = session.spec
        read = read_candles(candles, bar_ms=spec.bar_ms, now_ms=now_ms, hours=session.hours)
        table = None if daily is None else read_daily(daily, spec.daily)
        return self.of_bars(read, table, extra)

    def of_bars(
        self, read: ReadCandles, daily: DailyTable | None, extra: Mapping[str, Any] | None
    ) -> BarFeatures:
        """Compute the features of the last of the bars that were read.

        Args:
            read: Bars that keep the rules, the market's hours among them.
            daily: Daily values; None where there are none.
            extra: Features that come from outside.

        Raises:
            UsageError: The version has no graph.
            IntegrityError: The graph is not what was proved at conversion.
        """
        session = self.session()
        spec = session.spec
        given = dict(extra or {})
        if not len(read.timestamps):
            reasons = (*read.reasons, "no candle is complete")
            features = {**dict.fromkeys(spec.names), **given}
            return BarFeatures(features, None, reasons, left_out=read.left_out)
        bars = session.bridged(read.timestamps, dict(read.columns))
        made = session.run(bars, daily, rows=1)[0]
        values = [None if np.isnan(v) else float(v) for v in made]
        at = datetime.fromtimestamp(int(bars.timestamps[-1]) / 1000, UTC)
        reasons = (*read.reasons, *_bridged(bars, spec.gaps.marked_bars))
        features = {**dict(zip(spec.names, values, strict=True)), **given}
        return BarFeatures(features, at, reasons, left_out=read.left_out)


def _load() -> None:
    """Import what the methods of `CandleFeatures` import."""
    import gradus_runtime.candles.reading
    import gradus_runtime.sessions.features_session  # noqa: F401


def _bridged(bars: BarTable, marked: int) -> list[str]:
    count = int(bars.bridged[-marked:].sum()) if marked else 0
    if not count:
        return []
    from gradus_runtime.wording import counted  # most decisions need none

    return [f"bridged {counted(count, 'bar')}"]
