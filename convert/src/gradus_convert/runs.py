"""A finished run folder as the spec of an artifact."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_convert import readers
from gradus_convert.artifact import ArtifactSpec, FeatureFacts, GraphSpec, LevelContent, MemberSpec
from gradus_convert.config import ArtifactConfig
from gradus_convert.graphs.types import Encoding
from gradus_runtime.candles import read_golden_candles
from gradus_runtime.contracts import feature_order, features_graph, names, npz_file, run_folder
from gradus_runtime.contracts.manifest import DecisionPolicy, DroppedMember, Policy
from gradus_runtime.contracts.run_folder import Findings, Run, RunGraph, RunLevel, RunMember
from gradus_runtime.errors import CheckError, ConfigError, DataError, IntegrityError, UsageError

__all__ = ["check_gate", "read"]

_QUICK = (
    "the proof left the thresholds of the trees out (--quick-proof): made to be measured, not to be served"
)
_UNMEASURED = "figures, gates and the verdict of training are of all members, and are left out"


def read(
    folder: Path,
    config: ArtifactConfig,
    *,
    version: str,
    encoding: Encoding = "compact",
    only: Collection[str] = (),
    drop: Collection[str] = (),
    third_opinion: bool = True,
    quick_proof: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> ArtifactSpec:
    """Read models, rows and metadata of a run, every file against its SHA-256.

    Args:
        folder: The run folder.
        config: Of the artifact.
        version: Of the artifact.
        encoding: Of the graphs.
        only: Names of the levels to take; all if empty.
        drop: Names of members to leave out; the weights of the others are divided by their sum, and figures
            that were measured with all members are left out.
        third_opinion: As in `ArtifactSpec`.
        quick_proof: As in `ArtifactSpec`; the card says it.
        progress: Told what begins.

    Raises:
        DataError: The folder is not finished, or does not fit together.
        ConfigError: The configuration does not fit the run.
        IntegrityError: A file is not the one that training wrote.
        InexactModelError: A model has no exact form.
    """
    run = run_folder.load(folder)
    order = feature_order.load(folder / "feature_order.json")
    known = [s.name for s in order.levels]
    for alias, name in config.aliases.items():
        if name not in known:
            raise ConfigError("an alias must point at a level", place=f"aliases.{alias}", value=name)
    found = _judged_without(run.found) if drop else run.found
    hot = {c.level: c.temperature for c in found.calibration or ()}
    levels, dropped = [], []
    for level in _without(_chosen(run, only, folder), drop, folder):
        progress(f"{level.name}: reading {', '.join(m.name for m in level.members)}")
        members = tuple(_member(folder, m) for m in level.members)
        levels.append(
            LevelContent(level.name, level.vote, members, {} if drop else level.metrics, hot.get(level.name))
        )
        dropped += [DroppedMember(level.name, n, "left out of training") for n in run.members_dropped]
        dropped += [DroppedMember(level.name, n, "left out at conversion") for n in sorted(set(drop))]
    report = folder / names.REPORT
    found = _judged_without(run.found) if drop else run.found
    decision, weaker = _decision(config, found.policy)
    return ArtifactSpec(
        name=config.name or folder.resolve().name,
        version=version,
        classes=run.classes,
        order=order,
        levels=tuple(levels),
        decision=decision,
        runtime=config.runtime,
        aliases=config.aliases,
        facts={f.name: FeatureFacts(f.minimum, f.maximum, f.histogram) for f in run.features},
        holdout=_holdout(folder, run, len(order.names)),
        provenance=run.provenance,
        encoding=encoding,
        report=report.read_bytes() if report.is_file() and not drop else None,
        third_opinion=third_opinion,
        quick_proof=quick_proof,
        found=found,
        dropped=tuple(dropped),
        graph=_graph(folder, run.features_graph),
        judges_rows=True,
        remarks=(*((_QUICK,) if quick_proof else ()), *((_UNMEASURED,) if drop else ()), *weaker),
    )


def check_gate(folder: Path) -> None:
    """Refuse a run whose quality gate failed. A run without gates passes.

    Raises:
        CheckError: The gate failed.
    """
    if run_folder.load(folder).gate_passed is False:
        raise CheckError(
            "the gate of a run must have passed",
            place=str(folder),
            hint="`gradus report` says why. To convert it nevertheless: --no-gate.",
        )


def _chosen(run: Run, only: Collection[str], folder: Path) -> list[RunLevel]:
    known = [s.name for s in run.levels]
    for name in only:
        if name not in known:
            hint = f"Choose from {', '.join(known)}."
            raise DataError("a level must be in the run", place=str(folder), value=name, hint=hint)
    return [s for s in run.levels if not only or s.name in only]


def _without(levels: list[RunLevel], drop: Collection[str], folder: Path) -> list[RunLevel]:
    known = {m.name for level in levels for m in level.members}
    for name in drop:
        if name not in known:
            hint = f"Members: {', '.join(sorted(known))}."
            rule = "a member to leave out must be in the run"
            raise UsageError(rule, place=f"{folder}: --drop-member", value=name, hint=hint)
    kept = [replace(s, members=tuple(m for m in s.members if m.name not in drop)) for s in levels]
    for level in kept:
        if not level.members:
            raise UsageError(
                "at least one member must be left", place=f"{folder}: {level.name}", value=sorted(drop)
            )
    return kept


def _decision(config: ArtifactConfig, policy: Policy | None) -> tuple[DecisionPolicy, tuple[str, ...]]:
    """Return what the manifest says of decisions, and what a person should know of it.

    A policy that training chose was measured without a confidence threshold, so it goes without one.
    """
    decision = config.decision
    if policy is None:
        return decision, ()
    if any(rule.action == decision.fallback_action for rule in policy.rules):
        raise ConfigError(
            "the fallback action must not be one that the policy calls",
            place="decision.fallback_action",
            value=decision.fallback_action,
            hint='Name the class that stands for doing nothing, or train with [policy] kind = "argmax".',
        )
    if not decision.confidence_threshold:
        return decision, ()
    text = f"the confidence threshold {decision.confidence_threshold:g} is one of argmax and is left out: "
    return replace(decision, confidence_threshold=0.0), (f"{text}the policy is {policy.kind}",)


def _judged_without(found: Findings) -> Findings:
    """What training found, without what it found of votes of all members."""
    return replace(
        found,
        order_of_service=None,
        gates=None,
        verdict=None,
        measured=None,
        policy=None,
        calibration=None,
    )


def _member(folder: Path, member: RunMember) -> MemberSpec:
    path = folder / member.file
    _verified(path, member.sha256)
    native = readers.read_file(path, member.library)
    return MemberSpec(member.name, member.weight, native, member.classes)


def _graph(folder: Path, digests: RunGraph | None) -> GraphSpec | None:
    if digests is None:
        return None
    path = folder / features_graph.SPEC_FILE
    spec = features_graph.parse(_verified(path, digests.spec_sha256), place=str(path))
    model = _verified(folder / features_graph.GRAPH_FILE, spec.graph_sha256)
    path = folder / features_graph.GOLDEN_FILE
    golden = read_golden_candles(_verified(path, digests.golden_sha256), place=str(path))
    return GraphSpec(model, spec, golden)


def _verified(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as e:
        raise DataError("a file of the run must be readable", place=str(path), cause=e.strerror) from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise IntegrityError(
            f"a file must have the SHA-256 {sha256}", place=str(path), value=found, hint="Train again."
        )
    return data


def _holdout(folder: Path, run: Run, width: int) -> npt.NDArray[np.float32]:
    path = folder / "holdout.npz"
    data = _verified(path, run.holdout_sha256)
    arrays = npz_file.read(data, place=str(path))
    if "features" not in arrays:
        raise DataError("holdout rows must hold `features`", place=str(path), value=sorted(arrays))
    features = np.ascontiguousarray(arrays["features"])
    if features.dtype != np.float32 or features.ndim != 2 or features.shape[1] != width:
        found = (features.dtype, features.shape)
        raise DataError(f"holdout rows must be float32 [N, {width}]", place=str(path), value=found)
    return features
