"""What an artifact is built from: models in memory, rows, and what the manifest says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.graphs.types import Encoding
from gradus_convert.readers.native import NativeModel
from gradus_runtime.candles import GoldenCandles
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.contracts.features_graph import FeaturesSpec
from gradus_runtime.contracts.manifest import (
    DecisionPolicy,
    DroppedMember,
    Histogram,
    Manifest,
    Provenance,
    RuntimeRequirement,
)
from gradus_runtime.contracts.run_folder import NOTHING_FOUND, Findings

__all__ = ["ArtifactSpec", "BuiltArtifact", "FeatureFacts", "GraphSpec", "LevelContent", "MemberSpec"]


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """A member: its model as a reader returns it, and the artifact's class of each of its columns."""

    name: str
    weight: float
    native: NativeModel
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LevelContent:
    """A level: `name` is of the feature order, `vote` "soft" or "hard", `metrics` of the holdout rows.

    `temperature` is None where the vote has none.
    """

    name: str
    vote: str
    members: tuple[MemberSpec, ...]
    metrics: Mapping[str, float]
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """A feature over the training rows."""

    minimum: float
    maximum: float
    histogram: Histogram


@dataclass(frozen=True, slots=True, eq=False)
class GraphSpec:
    """A features graph: its bytes, what it computes, and golden candles with the features of training."""

    model: bytes
    spec: FeaturesSpec
    golden: GoldenCandles


@dataclass(frozen=True, slots=True, eq=False)
class ArtifactSpec:
    """Everything that decides the bytes of an artifact.

    Attributes:
        name: Of the artifact.
        version: A calendar version.
        classes: Their names.
        order: Features, groups and levels.
        levels: Those that have models, best first.
        decision: How probabilities become an action.
        runtime: Which onnxruntime may serve.
        aliases: Other names of levels.
        facts: By feature; a feature may be missing where nothing is known of it.
        holdout: float32 [N, F], NaN where unavailable; N may be 0.
        provenance: Where the models come from.
        encoding: Of the graphs.
        report: `report.html`, if there is one.
        third_opinion: Whether to ask the stock converters too, on the best level, for the card.
        quick_proof: Whether the proof leaves the thresholds out.
        dropped: Members that were left out.
        found: What training found.
        graph: The features graph; None where features come from outside.
        judges_rows: Whether the facts are of training, so that the runtime may hold rows to them.
        remarks: What a person should know of how it was made, for the card; sentences without full stops.
    """

    name: str
    version: str
    classes: tuple[str, ...]
    order: FeatureOrder
    levels: tuple[LevelContent, ...]
    decision: DecisionPolicy
    runtime: RuntimeRequirement
    aliases: Mapping[str, str]
    facts: Mapping[str, FeatureFacts]
    holdout: npt.NDArray[np.float32]
    provenance: Provenance
    encoding: Encoding
    report: bytes | None
    third_opinion: bool
    quick_proof: bool = False
    dropped: tuple[DroppedMember, ...] = ()
    graph: GraphSpec | None = None
    found: Findings = NOTHING_FOUND
    judges_rows: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuiltArtifact:
    """An artifact, not yet on disk: its manifest, the bytes of every file that it lists, remarks."""

    manifest: Manifest
    files: Mapping[str, bytes]
    remarks: tuple[str, ...] = ()
