"""The features graph of an artifact: checked, and its golden candles as rows of features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gradus_convert.artifact.spec import GraphSpec
from gradus_convert.graphs.feature_rules import check_features_graph
from gradus_runtime.contracts import names
from gradus_runtime.contracts.features_graph import FeaturesGraph
from gradus_runtime.sessions.features_session import FeaturesSession, replay_golden_candles

__all__ = ["describe_candles", "golden_rows", "prove_features_graph"]

Float32 = npt.NDArray[np.float32]


def prove_features_graph(graph: GraphSpec, place: str) -> None:
    """Check a features graph: its form, its operators, its ends, and its golden candles bit for bit.

    Raises:
        IntegrityError: It breaks a rule.
    """
    check_features_graph(graph.model, place)
    session = FeaturesSession(graph.model, graph.spec)
    replay_golden_candles(session, graph.golden, place=place)


def describe_candles(graph: GraphSpec, levels: tuple[str, ...]) -> FeaturesGraph:
    """What the manifest says of a features graph; levels that the artifact lacks are left out."""
    kept = tuple(s for s in graph.spec.levels if s.name in levels)
    return FeaturesGraph(names.FEATURES, names.CANDLES, replace(graph.spec, levels=kept))


def golden_rows(graph: GraphSpec, features: tuple[str, ...]) -> Float32:
    """The rows of the golden candles, float32 [R, F], in the order of `features`; NaN for outside ones."""
    place = {name: i for i, name in enumerate(graph.spec.names)}
    rows = np.full((len(graph.golden.features), len(features)), np.nan, np.float32)
    for i, name in enumerate(features):
        if name in place:
            rows[:, i] = graph.golden.features[:, place[name]]
    return rows
