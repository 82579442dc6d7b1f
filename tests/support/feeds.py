"""A feed without an artifact: its features are those of a graph that was just compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from gradus_runtime.contracts.features_graph import FeaturesSpec
from gradus_runtime.decision import Decision
from gradus_runtime.errors import UsageError
from gradus_runtime.serving.candle_features import BarFeatures, CandleFeatures
from gradus_runtime.serving.feed import Feed
from gradus_runtime.sessions.features_session import FeaturesSession
from gradus_train.features import CompiledFeatures


class Graph(CandleFeatures):
    """Features of a graph that was just compiled, in place of an artifact's."""

    def __init__(self, made: CompiledFeatures | None) -> None:
        self._made = made
        self.opened = None if made is None else FeaturesSession(made.model, made.spec)
        self.problem: Exception | None = None

    @property
    def spec(self) -> FeaturesSpec | None:
        return None if self._made is None else self._made.spec

    def session(self) -> FeaturesSession:
        if self.problem is not None:
            raise self.problem
        if self.opened is None:
            raise UsageError("a version must carry its features to take candles")
        return self.opened


@dataclass
class Bot:
    """What a feed needs of a predictor; it answers with the features themselves."""

    graph: Graph
    now_ms: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def answer(self, make: Callable[[CandleFeatures], BarFeatures], **options: Any) -> Decision:
        self.options = options
        return cast("Decision", make(self.graph))

    def feed(self) -> Feed:
        return Feed(self.graph, self.answer, lambda: self.graph, lambda: self.now_ms / 1000)


def features_of(feed: Feed, **options: Any) -> BarFeatures:
    return cast("BarFeatures", feed.decide(**options))
