"""How a Predictor is: what serves, what does not, and why."""

from __future__ import annotations

from collections.abc import Mapping

from gradus_runtime.contracts.manifest import ARGMAX
from gradus_runtime.records import dataclass, field

__all__ = ["Health", "Info", "JournalHealth", "LevelHealth", "LevelInfo"]


@dataclass(frozen=True, slots=True)
class LevelHealth:
    """A level.

    Attributes:
        name: Of the level.
        state: "ready", "not loaded" or "out of service".
        problem: Why it is out of service; None if it is not.
        tries: How often it failed in a row; 0 if it is not out of service.
        next_try: When it is tried again, ISO 8601 in UTC; None if it is not out of service.
        kernel: What the native kernel does here: "walks the trees", or "not used: " and why; None where none
            is installed or asked for, where the graph has no walk, and before the level is first loaded.
        provider: What runs the graph, "cpu" or "cuda"; None before the level is first loaded.
    """

    name: str
    state: str
    problem: str | None
    tries: int = 0
    next_try: str | None = None
    kernel: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class JournalHealth:
    """The journal: where its lines go, why the last one could not be written, lines written and lost."""

    place: str
    problem: str | None
    written: int
    lost: int


@dataclass(frozen=True, slots=True)
class Health:
    """What `Predictor.health()` found.

    Attributes:
        status: "ok"; "degraded": some level is out of service, the last reload failed, or the journal cannot
            be written; "failed": every row gets the fallback.
        version: The version that serves.
        levels: Each level, best first.
        halted: Why no level may serve, as when the artifact is too old.
        reload_problem: Why the version that is pinned now does not serve; None if it does.
        expires: When the artifact will be too old, ISO 8601 in UTC; None for never.
        simulated: The models were trained on simulated data: they know nothing of a real market.
        journal: How the journal is; None where there is none.
        log_problem: What a handler of the program's log raised at the last line; None if nothing.
        telemetry: That onnxruntime's telemetry may be on, and how to switch it off; None if it is off, or the
            user's choice.
    """

    status: str
    version: str
    levels: tuple[LevelHealth, ...]
    halted: str | None
    reload_problem: str | None
    expires: str | None
    simulated: bool
    journal: JournalHealth | None = None
    log_problem: str | None = None
    telemetry: str | None = None


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """A level of the artifact that serves; `bits` is "exact" or "2e-6", `size` is in bytes."""

    name: str
    features: int
    groups: tuple[str, ...]
    encoding: str
    bits: str
    vote: str
    members: Mapping[str, float]
    trees: int
    size: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Info:
    """What `Predictor.info()` returns: the artifact that serves.

    Attributes:
        name: Of the artifact.
        version: Of the artifact.
        digest: SHA-256 of its manifest, which covers every file.
        origin: Where it was read from.
        classes: In the order of the probabilities.
        features: Number of features of the full vector.
        levels: Best first; `members` maps names to weights; `size` is in bytes.
        confidence_threshold: Calls below it become `fallback_action`.
        fallback_action: What a row gets that no level serves.
        data_start: First moment of the training data; None if unknown.
        data_end: Last moment of the training data; None if unknown.
        simulated: The training data were simulated.
        verdict: "tradable", "direction", "moves" or "none"; None if unknown.
        verdict_sentences: Why, for people.
        service: Levels in service, the first to be asked first.
        not_in_service: The other levels, which serve only what nothing in service can, with the reason.
        gates: What gates said, by sentence; None where one was skipped.
        policy: "argmax", "thresholds" or "expected_value".
        policy_sentence: How it was chosen; "" where nothing was chosen.
        kernel: The native kernel that is asked to walk trees: "gradus-kernels 0.1.0", or why there is none.
            Each level of `health()` says whether it does.
        provider: What is to run the graphs, "cpu" or "cuda".
    """

    name: str
    version: str
    digest: str
    origin: str
    classes: tuple[str, ...]
    features: int
    levels: tuple[LevelInfo, ...]
    confidence_threshold: float
    fallback_action: str
    data_start: str | None
    data_end: str | None
    simulated: bool
    verdict: str | None = None
    verdict_sentences: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    not_in_service: Mapping[str, str] = field(default_factory=dict)
    gates: Mapping[str, bool | None] = field(default_factory=dict)
    policy: str = ARGMAX
    policy_sentence: str = ""
    kernel: str = "off"
    provider: str = "cpu"
