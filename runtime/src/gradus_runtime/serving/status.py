"""What `health()` and `info()` say about a version in service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isinf

from gradus_runtime.contracts.manifest import ARGMAX, Manifest
from gradus_runtime.log import log_problem
from gradus_runtime.monitoring.health import Health, Info, JournalHealth, LevelHealth, LevelInfo
from gradus_runtime.serving.level_slot import LevelSlot
from gradus_runtime.sessions.library import release_of
from gradus_runtime.telemetry import telemetry_problem

__all__ = ["describe", "examine"]


def examine(
    manifest: Manifest,
    slots: Sequence[LevelSlot],
    *,
    halted: str | None,
    reload_problem: str | None,
    expires: float,
    now: float,
    journal: JournalHealth | None = None,
) -> Health:
    """Put together what `health()` returns; `now` and `expires` are seconds since 1970 UTC."""
    levels = []
    for slot in slots:
        problem = slot.problem
        if problem is None:
            state = "ready" if slot.session is not None else "not loaded"
            levels.append(
                LevelHealth(slot.level.name, state, None, kernel=slot.kernel_state, provider=slot.provider)
            )
        else:
            when = _iso(now + slot.retry.seconds_left)
            levels.append(
                LevelHealth(
                    slot.level.name,
                    "out of service",
                    problem,
                    slot.retry.tries,
                    when,
                    slot.kernel_state,
                    slot.provider,
                )
            )
    out = [level for level in levels if level.problem is not None]
    status = "ok"
    if out or reload_problem is not None or (journal is not None and journal.problem is not None):
        status = "degraded"
    if halted is not None or len(out) == len(levels):
        status = "failed"
    return Health(
        status,
        manifest.version,
        tuple(levels),
        halted,
        reload_problem,
        None if isinf(expires) else _iso(expires),
        manifest.provenance.simulated,
        journal,
        log_problem(),
        telemetry_problem(release_of()),
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def describe(
    manifest: Manifest, *, digest: str, origin: str, threshold: float, kernel: str, provider: str
) -> Info:
    """Put together what `info()` returns."""
    sizes = {file.name: file.size for file in manifest.files}
    levels = tuple(
        LevelInfo(
            level.name,
            len(manifest.level_features(level)),
            level.groups,
            level.encoding,
            level.bits,
            level.vote,
            {member.name: member.weight for member in level.members},
            sum(member.trees for member in level.members),
            sizes[level.file],
            dict(level.metrics),
        )
        for level in manifest.levels
    )
    provenance, order = manifest.provenance, manifest.order_of_service
    proofs = {proof.level: proof.sentence for proof in order.proofs}
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
        None if manifest.verdict is None else manifest.verdict.name,
        () if manifest.verdict is None else manifest.verdict.sentences,
        order.levels,
        {name: proofs.get(name, "") for name in order.others},
        {gate.sentence: gate.passed for gate in manifest.gates or ()},
        *((ARGMAX, "") if manifest.policy is None else (manifest.policy.kind, manifest.policy.sentence)),
        kernel,
        provider,
    )
