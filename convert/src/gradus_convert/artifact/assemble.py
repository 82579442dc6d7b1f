"""From models in memory to an artifact: what `gradus convert` and `gradus import` share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from packaging.version import Version

from gradus_convert.artifact import candles, card, golden_rows, level
from gradus_convert.artifact.missing_groups import able, for_its_rows, may_lack
from gradus_convert.artifact.spec import ArtifactSpec, BuiltArtifact, LevelContent
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import NEEDS_ONNXRUNTIME
from gradus_convert.parity import Proof, ThirdOpinion, ordinary_rows
from gradus_runtime.contracts import names, npz_file
from gradus_runtime.contracts.graph import expected_metadata
from gradus_runtime.contracts.manifest import (
    CLOSE,
    FORMAT_VERSION,
    FeatureSpec,
    FileEntry,
    Golden,
    GuardRule,
    Level,
    LevelCalibration,
    Manifest,
    OrderOfService,
    RuntimeRequirement,
    declared,
    parse,
)
from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted

__all__ = ["PROOF_ROWS", "build_artifact"]

PROOF_ROWS = 10_000
GUARD = GuardRule(price_factor=3.0, ranges=10.0)
"""Weekly retraining on 60 to 180 days, pinned for eight weeks: no row of two markets is that far away."""

Float32 = npt.NDArray[np.float32]


def build_artifact(spec: ArtifactSpec, progress: Callable[[str], None] = lambda _: None) -> BuiltArtifact:
    """Compile every level, prove it, and put the artifact together. The same spec gives the same bytes.

    Args:
        spec: What to build from.
        progress: Told what begins.

    Raises:
        DataError: The spec does not fit together.
        InexactModelError: A member has no exact form.
        ParityError: A level does not answer as its libraries do: there is no artifact.
    """
    if not spec.levels:
        raise DataError("an artifact must have a level", place="levels")
    spec = for_its_rows(spec)
    if spec.graph is not None:
        progress("features: checking the graph and its golden candles")
        candles.prove_features_graph(spec.graph, names.FEATURES)
    columns = {s.name: _columns(spec, s) for s in spec.levels}
    low, high = _ranges(spec, columns)
    made = ordinary_rows(spec.holdout[:0], low, high, PROOF_ROWS)
    files: dict[str, bytes] = {}
    levels: list[Level] = []
    third: tuple[ThirdOpinion, ...] = ()
    draft = _manifest(spec, tuple(_outline(spec, s) for s in spec.levels))
    rows = golden_rows.choose_golden_rows(spec.holdout, made, list(columns.values()), may_lack(spec.order))
    if spec.graph is not None:
        rows = np.concatenate([rows, candles.golden_rows(spec.graph, spec.order.names)])
    arrays = {"features": rows}
    for outline, s in zip(draft.levels, spec.levels, strict=True):
        progress(f"{s.name}: compiling and proving {counted(len(s.members), 'member')}")
        cut = columns[s.name]
        mine = np.ascontiguousarray(spec.holdout[:, cut])
        mine = mine[able(mine, may_lack(spec.order, s.name))]
        proof_rows = np.concatenate([mine, made[: max(0, PROOF_ROWS - len(mine)), cut]])
        built = level.compile_level(spec, s, proof_rows, expected_metadata(draft, outline))
        said = level.library_answers(spec, s, mine) if len(mine) else None
        counts = () if said is None else np.bincount(said.argmax(axis=1), minlength=len(spec.classes))
        levels.append(level.describe_level(spec, s, built, tuple(int(c) for c in counts)))
        files[outline.file] = built.graph.model_bytes
        third += built.third
        arrays[s.name] = _golden(spec, s, built, rows[:, cut])
    files[names.GOLDEN] = npz_file.write(arrays)
    if spec.graph is not None:
        files[names.FEATURES] = spec.graph.model
        files[names.CANDLES] = spec.graph.golden.to_bytes()
    if spec.report is not None:
        files[names.REPORT] = spec.report
    manifest = replace(draft, levels=tuple(levels), runtime=_requirement(spec.runtime, levels))
    files[names.CARD] = card.write(manifest, third, spec.remarks).encode()
    manifest = replace(manifest, files=_entries(files))
    parse(manifest.to_bytes(), place=names.MANIFEST)
    return BuiltArtifact(manifest, files, (*card.dropped(manifest), *spec.remarks))


def _columns(spec: ArtifactSpec, s: LevelContent) -> npt.NDArray[np.intp]:
    wanted = set(spec.order.level_features(s.name))
    return np.array([i for i, name in enumerate(spec.order.names) if name in wanted], np.intp)


def _ranges(spec: ArtifactSpec, columns: Mapping[str, npt.NDArray[np.intp]]) -> tuple[Float32, Float32]:
    """Smallest and largest training value of each column; where unknown, those of its thresholds."""
    width = len(spec.order.names)
    low, high = np.full(width, np.inf, np.float32), np.full(width, -np.inf, np.float32)
    for s in spec.levels:
        for m in s.members:
            form = m.native.lowered
            if isinstance(form, Forest):
                split = (form.feature >= 0) & (form.feature < form.n_features) & np.isfinite(form.threshold)
                at = columns[s.name][form.feature[split]]
                np.minimum.at(low, at, form.threshold[split])
                np.maximum.at(high, at, form.threshold[split])
    for i, name in enumerate(spec.order.names):
        if name in spec.facts:
            low[i], high[i] = spec.facts[name].minimum, spec.facts[name].maximum
    unknown = low > high
    low[unknown], high[unknown] = -1.0, 1.0
    return low, high


def _golden(spec: ArtifactSpec, s: LevelContent, built: Proof, rows: Float32) -> Float32:
    """Golden answers of a level: NaN for rows that it cannot serve."""
    served = able(rows, may_lack(spec.order, s.name))
    result = np.full((len(rows), len(spec.classes)), np.nan, np.float32)
    result[served] = level.golden_answers(spec, s, built, np.ascontiguousarray(rows[served]))
    return result


def _outline(spec: ArtifactSpec, s: LevelContent) -> Level:
    """A level before it is built: enough for the schema hash."""
    nothing = level.NO_PARITY
    groups = spec.order.level(s.name).groups
    return Level(s.name, groups, names.level_file(s.name), "", CLOSE, {}, s.vote, (), {}, (), nothing)


def _requirement(configured: RuntimeRequirement, levels: Sequence[Level]) -> RuntimeRequirement:
    """The configured requirement, raised to what the levels' encodings need."""
    needed = [NEEDS_ONNXRUNTIME[s.encoding] for s in levels if s.encoding in NEEDS_ONNXRUNTIME]
    return replace(configured, minimum=max([configured.minimum, *needed], key=Version))


def _manifest(spec: ArtifactSpec, levels: tuple[Level, ...]) -> Manifest:
    bars = 0 if spec.graph is None else len(spec.graph.golden.features)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=spec.name,
        version=spec.version,
        classes=spec.classes,
        decision=spec.decision,
        features=tuple(_feature(spec, f.name, f.group) for f in spec.order.features),
        levels=levels,
        golden=Golden(names.GOLDEN, golden_rows.GOLDEN_ROWS + bars, golden_rows.GOLDEN_TOLERANCE),
        files=(),
        provenance=spec.provenance,
        runtime=spec.runtime,
        aliases={a: s for a, s in sorted(spec.aliases.items()) if s in {x.name for x in levels}},
        members_dropped=spec.dropped or None,
        order_of_service=_order(spec, [s.name for s in levels]),
        label=spec.found.label,
        costs=spec.found.costs,
        gates=spec.found.gates,
        verdict=spec.found.verdict,
        measured=spec.found.measured,
        shipped=spec.found.shipped,
        drift=spec.found.drift,
        calibration=_calibration(spec),
        guard=GUARD if spec.judges_rows else None,
        missing=dict.fromkeys(spec.order.learned, names.LEARNED) or None,
        policy=spec.found.policy,
        features_graph=None
        if spec.graph is None
        else candles.describe_candles(spec.graph, tuple(s.name for s in levels)),
    )


def _calibration(spec: ArtifactSpec) -> tuple[LevelCalibration, ...] | None:
    """Levels that the artifact has and whose vote has a temperature."""
    names = [s.name for s in spec.levels]
    return tuple(c for c in spec.found.calibration or () if c.level in names) or None


def _order(spec: ArtifactSpec, names: Sequence[str]) -> OrderOfService:
    """The order of service of the levels that the artifact has; as they stand where nothing was measured."""
    order = spec.found.order_of_service
    if order is None:
        return declared(names)
    kept = [tuple(n for n in part if n in names) for part in (order.levels, order.others)]
    whom = (*names, "priors")
    proofs = tuple(p for p in order.proofs if p.level in names and p.against in whom)
    return OrderOfService(order.kind, kept[0], kept[1], proofs)


def _feature(spec: ArtifactSpec, name: str, group: str) -> FeatureSpec:
    facts = spec.facts.get(name)
    if facts is None:
        return FeatureSpec(name, group, "float32", None, None, None)
    return FeatureSpec(name, group, "float32", facts.minimum, facts.maximum, facts.histogram)


def _entries(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    return tuple(
        FileEntry(name, hashlib.sha256(files[name]).hexdigest(), len(files[name])) for name in sorted(files)
    )
