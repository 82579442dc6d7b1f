"""How a Predictor is: what serves, what does not, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isinf

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.levels import LevelSlot

__all__ = ["Health", "Info", "LevelHealth", "LevelInfo", "describe", "examine"]


@dataclass(frozen=True, slots=True)
class LevelHealth:
    """A level: `state` is "ready", "not loaded" or "out of service"; `problem` says why it is out."""

    name: str
    state: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """What `Predictor.health()` found.

    Attributes:
        status: "ok"; "degraded": some level is out of service, or the last reload failed; "failed": every row
            gets the fallback.
        version: The version that serves.
        levels: Each level, best first.
        halted: Why no level may serve, as when the artifact is too old.
        reload_problem: Why the version that is pinned now does not serve; None if it does.
        expires: When the artifact will be too old, ISO 8601 in UTC; None for never.
        simulated: The models were trained on simulated data: they know nothing of a real market.
    """

    status: str
    version: str
    levels: tuple[LevelHealth, ...]
    halted: str | None
    reload_problem: str | None
    expires: str | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """A level of the artifact that serves."""

    name: str
    features: int
    groups: tuple[str, ...]
    encoding: str
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
        data_start: First moment of the training data.
        data_end: Last moment of the training data.
        simulated: The training data were simulated.
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
    data_start: str
    data_end: str
    simulated: bool


def examine(
    manifest: Manifest,
    slots: Sequence[LevelSlot],
    *,
    halted: str | None,
    reload_problem: str | None,
    expires: float,
) -> Health:
    """Put together what `health()` returns."""
    levels = []
    for slot in slots:
        problem = slot.problem
        state = "ready" if slot.session is not None else "not loaded"
        levels.append(LevelHealth(slot.level.name, "out of service" if problem else state, problem))
    out = [level for level in levels if level.problem is not None]
    status = "ok"
    if out or reload_problem is not None:
        status = "degraded"
    if halted is not None or len(out) == len(levels):
        status = "failed"
    moment = None if isinf(expires) else datetime.fromtimestamp(expires, UTC).isoformat()
    return Health(
        status,
        manifest.version,
        tuple(levels),
        halted,
        reload_problem,
        moment,
        manifest.provenance.simulated,
    )


def describe(manifest: Manifest, *, digest: str, origin: str, threshold: float) -> Info:
    """Put together what `info()` returns."""
    sizes = {file.name: file.size for file in manifest.files}
    levels = tuple(
        LevelInfo(
            level.name,
            len(manifest.level_features(level)),
            level.groups,
            level.encoding,
            level.vote,
            {member.name: member.weight for member in level.members},
            sum(member.trees for member in level.members),
            sizes[level.file],
            dict(level.metrics),
        )
        for level in manifest.levels
    )
    provenance = manifest.provenance
    return Info(
        manifest.name,
        manifest.version,
        digest,
        origin,
        manifest.classes,
        len(manifest.features),
        levels,
        threshold,
        manifest.decision.fallback_action,
        provenance.data_start,
        provenance.data_end,
        provenance.simulated,
    )
