"""The types of `manifest.json`, the contract between who publishes an artifact and who serves it.

Its bytes are the canonical JSON of `Manifest`; the SHA-256 of these bytes is the digest of the artifact, and
covers every file through `files`. No wall-clock time and no fact of the host is in it: they are in
`build.json`, which stands beside it and which nothing depends on.
"""

import json
from collections.abc import Mapping

from gradus_runtime.contracts import codec, names, strict_json
from gradus_runtime.contracts.digest import sha256_hex
from gradus_runtime.contracts.features_graph import FeaturesGraph
from gradus_runtime.contracts.manifest.calibration import LevelCalibration
from gradus_runtime.contracts.manifest.drift import Drift
from gradus_runtime.contracts.manifest.judgement import (
    GateResult,
    Label,
    OrderOfService,
    RowSpan,
    StatedCosts,
    Verdict,
)
from gradus_runtime.contracts.manifest.policy import Policy
from gradus_runtime.records import dataclass

__all__ = [
    "CLOSE",
    "EXACT",
    "FORMAT_VERSION",
    "WHERE_GIVEN",
    "DecisionPolicy",
    "DroppedMember",
    "FeatureSpec",
    "FileEntry",
    "Golden",
    "GuardRule",
    "Histogram",
    "Level",
    "Manifest",
    "Member",
    "Parity",
    "Provenance",
    "RuntimeRequirement",
    "period",
]

FORMAT_VERSION = 2

WHERE_GIVEN = frozenset({"calibration", "drift", "guard", "missing", "policy"})
"""Keys of a manifest that are left out where they are None."""

EXACT = "exact"
"""`Level.bits`: the same row gives the same 32 bits per probability, everywhere."""
CLOSE = "2e-6"
"""`Level.bits`: the same row gives probabilities within 2e-6."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the artifact: its name, its SHA-256 in hexadecimal, its size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """How probabilities become an action.

    `confidence_threshold` and `fallback_confidence` lie in [0, 1]; `fallback_probabilities` follow the order
    of the classes and sum to 1; `max_age_days` counts from `Provenance.data_end`, None for no expiry.
    """

    confidence_threshold: float
    fallback_action: str
    fallback_confidence: float
    fallback_probabilities: tuple[float, ...]
    max_age_days: float | None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Training distribution of a feature.

    `edges` are k increasing cut points; `counts` are k + 1 counts of training rows: below or at the first,
    between, above the last (a row x falls into the bin `searchsorted(edges, x, side="left")`).
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A column of the full vector. `minimum`, `maximum`, `histogram`: over training rows, None if unknown."""

    name: str
    group: str
    dtype: str
    minimum: float | None
    maximum: float | None
    histogram: Histogram | None


@dataclass(frozen=True, slots=True)
class Member:
    """A model in a level's vote: its library, its weight, its trees and nodes (0 where it has none)."""

    name: str
    library: str
    weight: float
    trees: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Parity:
    """Figures of the parity proof: `rows` tried on every member, `leaf_checks` tree walks compared.

    `max_difference` is that from the libraries; `max_error` that from sums of leaves in float64, None if a
    member has no trees or nobody measured it.
    """

    rows: int
    boundary_rows: int
    leaf_checks: int
    wrong_leaves: int
    max_difference: float
    label_changes: int
    ties: int
    max_error: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """A level: the groups it needs, its graph, its members, what was measured.

    `bits` is `EXACT` or `CLOSE`. `vote` is "soft" or "hard". `metrics` are of the holdout rows.
    `class_counts` are the decisions on the holdout rows, by class: the reference of the drift of classes
    (empty if unknown).
    """

    name: str
    groups: tuple[str, ...]
    file: str
    encoding: str
    bits: str
    opsets: Mapping[str, int]
    vote: str
    members: tuple[Member, ...]
    metrics: Mapping[str, float]
    class_counts: tuple[int, ...]
    parity: Parity


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows with known answers, in the file `golden.npz`, replayed through the session that will serve.

    Arrays: `features` float32 [rows, features], and per level NAME `NAME` float32 [rows, classes].
    `tolerance` is the largest allowed absolute difference of a probability; levels with exact bits have none.
    """

    file: str
    rows: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class GuardRule:
    """How far from training a value may be before it counts as one in another unit.

    Attributes:
        price_factor: A feature in the unit of the price lies between its minimum divided by this and its
            maximum times this.
        ranges: Any other lies within so many times (maximum - minimum) of its range.
    """

    price_factor: float
    ranges: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the models come from. Times are ISO 8601 in UTC, None if unknown; digests are SHA-256 in hex.

    `rows` is 0 where nothing is known of the data.
    """

    simulated: bool
    data_sha256: str
    data_start: str | None
    data_end: str | None
    rows: int
    config_sha256: str
    git_commit: str | None
    libraries: Mapping[str, str]
    seed: int


@dataclass(frozen=True, slots=True)
class DroppedMember:
    """A member of a level that was left out; the weights of the others were divided by their sum."""

    level: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuntimeRequirement:
    """Which onnxruntime may serve: at least `minimum`, none of `known_bad`."""

    minimum: str
    known_bad: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole contract of one artifact version. Levels are in the order in which they are declared.

    What training found is None where nobody measured it: `label`, `costs`, `gates`, `verdict`, the rows that
    figures are of (`measured`), those that the models were fitted on (`shipped`), and how much features
    usually move (`drift`). `missing` says of groups how rows may lack them ("learned": the models have learnt
    from such rows); None: a level needs all its groups. `features_graph` computes features from candles; None
    where they come from outside. `policy` is None for the most probable class, `guard` where rows are not
    judged, `calibration` where no level has a temperature. The keys in `WHERE_GIVEN` are in the file only
    where they are not None.
    """

    format_version: int
    name: str
    version: str
    classes: tuple[str, ...]
    decision: DecisionPolicy
    features: tuple[FeatureSpec, ...]
    levels: tuple[Level, ...]
    golden: Golden
    files: tuple[FileEntry, ...]
    provenance: Provenance
    runtime: RuntimeRequirement
    aliases: Mapping[str, str]
    members_dropped: tuple[DroppedMember, ...] | None
    order_of_service: OrderOfService
    label: Label | None = None
    costs: StatedCosts | None = None
    gates: tuple[GateResult, ...] | None = None
    verdict: Verdict | None = None
    measured: RowSpan | None = None
    shipped: RowSpan | None = None
    features_graph: FeaturesGraph | None = None
    policy: Policy | None = None
    drift: Drift | None = None
    calibration: tuple[LevelCalibration, ...] | None = None
    guard: GuardRule | None = None
    missing: Mapping[str, str] | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All feature names, in the order of the full vector."""
        return tuple(f.name for f in self.features)

    @property
    def service(self) -> tuple[Level, ...]:
        """The levels as rows are offered to them: those in service first, in the order of service."""
        by_name = {level.name: level for level in self.levels}
        order = self.order_of_service
        return tuple(by_name[name] for name in (*order.levels, *order.others))

    def level_features(self, level: Level) -> tuple[str, ...]:
        """Feature names of a level, in the order of its input."""
        groups = set(level.groups)
        return tuple(f.name for f in self.features if f.group in groups)

    @property
    def learned_features(self) -> frozenset[str]:
        """Names of the features that rows may lack: their levels serve without them."""
        groups = {g for g, how in (self.missing or {}).items() if how == names.LEARNED}
        return frozenset(f.name for f in self.features if f.group in groups)

    def schema_hash(self) -> str:
        """SHA-256 over feature names, groups, types, levels and classes: what a caller's rows depend on."""
        schema = {
            "classes": self.classes,
            "features": [(f.name, f.group, f.dtype) for f in self.features],
            "levels": [(s.name, s.groups) for s in self.levels],
        }
        return sha256_hex(json.dumps(schema, sort_keys=True).encode())

    def value(self) -> dict[str, object]:
        """Return the JSON value of `manifest.json`."""
        value = codec.encode(self)
        return {key: item for key, item in value.items() if item is not None or key not in WHERE_GIVEN}

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of `manifest.json`."""
        return strict_json.canonical_bytes(self.value())

    def digest(self) -> str:
        """SHA-256 of `to_bytes()`, in hexadecimal."""
        return sha256_hex(self.to_bytes())


def period(start: str | None, end: str | None) -> str:
    """Say from when to when data is, as it is shown: "unknown" where the manifest does not say."""
    if start is None:
        return "unknown" if end is None else f"until {end}"
    return f"from {start}" if end is None else f"{start} to {end}"
