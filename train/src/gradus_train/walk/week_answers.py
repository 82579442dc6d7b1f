"""What the runtime answers for the bars of a week, as a table or bar by bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_live.labels import LabelRule, Meta
from gradus_runtime import Predictor
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.contracts.manifest import LONG, SHORT
from gradus_runtime.errors import CheckError, ConfigError
from gradus_train.data.dataset import Dataset
from gradus_train.walk.market_history import History

__all__ = ["WeekAnswers", "answer_bar_by_bar", "answer_table", "calls_of", "check_sides", "no_answers"]

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
FALLBACK = "fallback"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class WeekAnswers:
    """Answers for N bars.

    Attributes:
        actions: text [N].
        levels: text [N].
        probabilities: float32 [N, C].
    """

    actions: npt.NDArray[np.object_]
    levels: npt.NDArray[np.object_]
    probabilities: npt.NDArray[np.float32]

    def differences(self, other: WeekAnswers) -> int:
        """Return in how many bars the two differ: in an action, a level, or a bit of a probability."""
        mine, theirs = (a.probabilities.view(np.uint32) for a in (self, other))
        same = (self.actions == other.actions) & (self.levels == other.levels)
        return int((~(same & (mine == theirs).all(axis=1))).sum())


class _Clock:
    """The clock of a walk: seconds since 1970 UTC."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def no_answers(bars: int, classes: int) -> WeekAnswers:
    """Return what a bot says that has no version: nothing."""
    return WeekAnswers(
        np.full(bars, "", object), np.full(bars, FALLBACK, object), np.zeros((bars, classes), np.float32)
    )


def answer_table(
    version: Path, bars: Dataset, order: FeatureOrder, missing: Mapping[str, Flags] | None = None
) -> WeekAnswers:
    """Let the runtime answer bars as a table, at the time at which each of them closes.

    Args:
        version: Folder of the version.
        bars: N bars with their features.
        order: Groups and their features.
        missing: For each group the bars that it is missing for, bool [N].

    Raises:
        GradusError: The version is damaged, or cannot be served here.
    """
    features = _without(bars, order, missing or {})
    closes = bars.timestamps + bars.bar_ms
    clock = _Clock(float(closes[0]) / 1000)
    pieces = []
    with Predictor.open(version, drift=False, clock=clock) as bot:
        cut = _expiry(bot, closes)
        for rows in (slice(0, cut), slice(cut, len(closes))):
            if len(closes[rows]):
                clock.now = float(closes[rows][0]) / 1000
                at = bars.timestamps[rows].tolist()
                pieces.append(bot.predict(features[rows], names=bars.names, at=at))
    return WeekAnswers(
        np.concatenate([p.actions for p in pieces]),
        np.concatenate([p.levels for p in pieces]),
        np.concatenate([p.probabilities for p in pieces]),
    )


def _expiry(bot: Predictor, closes: Integers) -> int:
    """Return the first bar at whose close the version is too old."""
    expires = bot.health().expires
    if expires is None:
        return len(closes)
    return int(np.searchsorted(closes, datetime.fromisoformat(expires).timestamp() * 1000))


def _without(bars: Dataset, order: FeatureOrder, missing: Mapping[str, Flags]) -> npt.NDArray[np.float32]:
    if not missing:
        return bars.features
    features = bars.features.copy()
    for i, feature in enumerate(order.features):
        if feature.group in missing:
            features[missing[feature.group], i] = np.nan
    return features


def answer_bar_by_bar(
    version: Path, history: History, bars: Dataset, missing: Mapping[str, Flags] | None = None
) -> WeekAnswers:
    """Let the runtime answer bars one after another, by a feed that takes each candle when it closes.

    The features come from the graph that the version carries, as they do for a bot.

    Args:
        version: Folder of the version.
        history: The market; only candles closed by the bar, and days over by then, are handed on.
        bars: N bars.
        missing: As in `answer_table`.

    Raises:
        GradusError: As in `answer_table`.
    """
    actions, levels, probabilities = [], [], []
    candles = history.inputs.candles.frame
    before = history.inputs.before(int(bars.timestamps[0]))
    clock = _Clock(0.0)
    with Predictor.open(version, drift=False, clock=clock) as bot:
        feed = bot.feed(before.candles.frame, None if before.daily is None else before.daily.frame)
        place = int(np.searchsorted(candles["timestamp"].to_numpy(), bars.timestamps[0]))
        days = 0 if before.daily is None else len(before.daily.frame)
        for i, stamp in enumerate(bars.timestamps.tolist()):
            close = stamp + bars.bar_ms
            clock.now = close / 1000
            feed.push(candles.row(place + i, named=True))
            days = _push_days(feed.push_daily, history, days, close)
            out = [group for group, flags in (missing or {}).items() if flags[i]]
            said = feed.decide(extra=_outside(history, bars, i), unavailable=out)
            actions.append(said.action)
            levels.append(said.level)
            probabilities.append(list(said.probabilities.values()))
    return WeekAnswers(
        np.array(actions, object), np.array(levels, object), np.array(probabilities, np.float32)
    )


def _push_days(push: Callable[[Any], None], history: History, pushed: int, moment_ms: int) -> int:
    """Hand on the days that are over by now; return how many were handed on in all."""
    if history.inputs.daily is None:
        return 0
    frame = history.inputs.daily.frame
    over = int(np.searchsorted(frame["date"].dt.epoch("d").to_numpy(), moment_ms // _DAY_MS))
    for row in range(pushed, over):
        push(frame.row(row, named=True))
    return max(pushed, over)


def _outside(history: History, bars: Dataset, row: int) -> dict[str, float] | None:
    names = history.order.outside
    if not names:
        return None
    place = {name: i for i, name in enumerate(bars.names)}
    return {name: float(bars.features[row, place[name]]) for name in names}


def check_sides(rule: LabelRule) -> None:
    """Refuse a label whose classes say no side.

    Raises:
        ConfigError: It has none.
    """
    if rule.sides is None and not isinstance(rule, Meta):
        raise ConfigError(
            "a walk needs a label with two sides",
            place="labels",
            value=rule.kind,
            hint="Name the classes that mean a fall and a rise: down and up.",
        )


def calls_of(answers: WeekAnswers, bars: Dataset) -> Integers:
    """Return what each answer calls for: 1 long, -1 short, 0 nothing, int64 [N]."""
    rule = bars.rule
    if isinstance(rule, Meta):
        long, short = np.asarray(answers.actions == LONG), np.asarray(answers.actions == SHORT)
        if rule.side in bars.names:  # the artifact answers with the side of the row
            return long.astype(np.int64) - short.astype(np.int64)
        side = np.sign(np.nan_to_num(bars.side if bars.side is not None else np.zeros(len(answers.actions))))
        return np.where(answers.actions == rule.classes[1], side, 0).astype(np.int64)
    if rule.sides is None:
        raise CheckError("a label must have sides here", place="labels", value=rule.kind)
    down, up = (rule.classes[i] for i in rule.sides)
    long, short = np.asarray(answers.actions == up), np.asarray(answers.actions == down)
    return long.astype(np.int64) - short.astype(np.int64)
