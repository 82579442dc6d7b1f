"""`manifest.json`: the contract between who publishes an artifact and who serves it.

`types` are its dataclasses, `rules` what must hold beyond the types, `parsing` reads the bytes, and each
older format has a module that upgrades it (`format1`).
"""

from gradus_runtime.contracts.manifest.calibration import LevelCalibration
from gradus_runtime.contracts.manifest.drift import Drift, FeatureDrift
from gradus_runtime.contracts.manifest.judgement import (
    LONG,
    META,
    NO_TRADE,
    SHORT,
    VERDICTS,
    GateResult,
    Label,
    LevelProof,
    OrderOfService,
    RowSpan,
    StatedCosts,
    Verdict,
    declared,
)
from gradus_runtime.contracts.manifest.parsing import parse, upgrade
from gradus_runtime.contracts.manifest.policy import ARGMAX, POLICIES, Policy, PolicyRule, TrailingWindow
from gradus_runtime.contracts.manifest.types import (
    CLOSE,
    EXACT,
    FORMAT_VERSION,
    WHERE_GIVEN,
    DecisionPolicy,
    DroppedMember,
    FeatureSpec,
    FileEntry,
    Golden,
    GuardRule,
    Histogram,
    Level,
    Manifest,
    Member,
    Parity,
    Provenance,
    RuntimeRequirement,
    period,
)

__all__ = [
    "ARGMAX",
    "CLOSE",
    "EXACT",
    "FORMAT_VERSION",
    "LONG",
    "META",
    "NO_TRADE",
    "POLICIES",
    "SHORT",
    "VERDICTS",
    "WHERE_GIVEN",
    "DecisionPolicy",
    "Drift",
    "DroppedMember",
    "FeatureDrift",
    "FeatureSpec",
    "FileEntry",
    "GateResult",
    "Golden",
    "GuardRule",
    "Histogram",
    "Label",
    "Level",
    "LevelCalibration",
    "LevelProof",
    "Manifest",
    "Member",
    "OrderOfService",
    "Parity",
    "Policy",
    "PolicyRule",
    "Provenance",
    "RowSpan",
    "RuntimeRequirement",
    "StatedCosts",
    "TrailingWindow",
    "Verdict",
    "declared",
    "parse",
    "period",
    "upgrade",
]
