"""From pickle files to an artifact: the spec that conversion builds and proves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_convert.artifact import ArtifactSpec, FeatureFacts, LevelContent, MemberSpec
from gradus_convert.pickles import levels_and_classes
from gradus_convert.pickles.ensemble import LegacyEnsemble, LegacyMember, or_drop, read_ensemble
from gradus_convert.pickles.import_request import ImportRequest
from gradus_convert.pickles.inert import BrokenPickleError
from gradus_convert.pickles.safe_names import identifier
from gradus_convert.pickles.training_rows import float64_remarks, read_training_rows
from gradus_convert.readers import READERS, NativeModel, read_model
from gradus_runtime.contracts import feature_order, strict_json
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.contracts.histograms import describe_column
from gradus_runtime.contracts.manifest import DecisionPolicy, DroppedMember, Provenance
from gradus_runtime.contracts.names import is_identifier
from gradus_runtime.errors import DataError, GradusError, UsageError

__all__ = ["ImportRequest", "import_spec"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Columns:
    """The labels in the order of the models' columns, and in that of the artifact's classes."""

    labels: tuple[object, ...]
    order: tuple[object, ...]


def import_spec(request: ImportRequest) -> ArtifactSpec:
    """Read the files and put together what `build_artifact` needs.

    Raises:
        GradusError: A file is refused or does not fit; the message names it.
    """
    found = {
        level: read_ensemble(
            paths,
            any_version=request.any_version,
            max_bytes=request.max_bytes,
            drop=request.drop,
            rounds=request.rounds,
        )
        for level, paths in request.files.items()
    }
    _check_dropped(request.drop, found)
    named = {level: _named(level, e, request) for level, e in found.items()}
    natives = {level: _lowered(level, e) for level, e in named.items()}
    widths = {level: next(iter(n.values())).lowered.n_features for level, n in natives.items()}
    order, placed = _order(request, named, widths)
    count = max(native.n_classes for n in natives.values() for native in n.values())
    labels = levels_and_classes.ensemble_labels(tuple(named.values()), count)
    classes = levels_and_classes.class_names(labels, request.classes)
    columns = _Columns(labels, tuple(classes))
    levels = {
        placed[name]: _level(placed[name], ensemble, natives[name], columns, request.weights)
        for name, ensemble in named.items()
    }
    if request.decision is not None and request.decision.max_age_days is not None and not request.data_end:
        raise UsageError(
            "an artifact that expires must say when its data ended",
            place="max_age_days",
            value=request.decision.max_age_days,
            hint="Give --data-end 2026-11-14.",
        )
    originals = {
        new: old
        for level, e in named.items()
        for new, old in zip(e.feature_names or (), found[level].feature_names or (), strict=True)
        if new != old
    }
    wide, holdout, facts = _rows(request.rows, order, originals)
    remarks = [f"{placed[level]}: {text}" for level, e in named.items() for text in e.remarks]
    for level in levels.values():
        columns_of = [order.names.index(n) for n in order.level_features(level.name)]
        remarks += float64_remarks(level, None if wide is None else wide[:, columns_of], len(classes))
    return ArtifactSpec(
        name=request.name,
        version=request.version,
        classes=tuple(classes.values()),
        order=order,
        levels=tuple(levels[s.name] for s in order.levels if s.name in levels),
        decision=request.decision or _decision(tuple(classes.values()), request.fallback_action),
        runtime=request.runtime,
        aliases={**_aliases(request.files, placed), **request.aliases},
        facts=facts,
        holdout=holdout,
        provenance=_provenance(request, classes, order, levels),
        encoding=request.encoding,
        report=None,
        third_opinion=False,
        dropped=tuple(
            DroppedMember(placed[level], name, reason)
            for level, e in named.items()
            for name, reason in e.dropped
        ),
        remarks=tuple(remarks),
    )


def _check_dropped(drop: tuple[str, ...], found: Mapping[str, LegacyEnsemble]) -> None:
    known = {name for e in found.values() for name, _ in e.dropped}
    for name in drop:
        if identifier(name) not in known:
            members = {m.name for e in found.values() for m in e.members}
            raise UsageError(
                "a member to leave out must be in a file",
                place="--drop-member",
                value=name,
                hint=f"Members: {', '.join(sorted(members))}.",
            )


def _lowered(level: str, ensemble: LegacyEnsemble) -> dict[str, NativeModel]:
    natives = {}
    for member in ensemble.members:
        try:
            natives[member.name] = _lower(member, f"{level or 'ensemble'}: {member.name}")
        except GradusError as e:
            raise (or_drop(e, member.name) if len(ensemble.members) > 1 else e) from None
    return natives


def _lower(member: LegacyMember, place: str) -> NativeModel:
    """Lower a member, and see that its library predicts: a damaged one may load and lack something."""
    try:
        native = read_model(member.rebuilt.model, place=place)
        native.probabilities(np.zeros((1, native.lowered.n_features), np.float32))
    except GradusError:
        raise
    except Exception as e:  # whatever a damaged estimator raises
        raise BrokenPickleError(
            "a member must be able to predict", place=place, cause=f"{type(e).__name__}: {e}"
        ) from None
    return native


def _order(
    request: ImportRequest, ensembles: Mapping[str, LegacyEnsemble], widths: Mapping[str, int]
) -> tuple[FeatureOrder, dict[str, str]]:
    if request.feature_order is not None:
        order = feature_order.load(request.feature_order)
        placed = levels_and_classes.place_levels(order, ensembles, widths)
        served = set(placed.values())
        kept = FeatureOrder(order.groups, tuple(s for s in order.levels if s.name in served))
        return kept, placed
    named = {name or "level1": e for name, e in ensembles.items()}
    order = levels_and_classes.derive_order(named)
    return order, {name: name or "level1" for name in ensembles}


def _level(
    name: str,
    ensemble: LegacyEnsemble,
    natives: Mapping[str, NativeModel],
    columns: _Columns,
    given: Mapping[str, float] | None,
) -> LevelContent:
    weights = given if given is not None else ensemble.weights
    if weights is None and len(natives) == 1:
        weights = dict.fromkeys(natives, 1.0)
    if weights is None:
        raise UsageError(
            "the members' weights must be known",
            place=name,
            value=list(natives),
            hint="Give --weights " + ",".join(f"{n}=..." for n in natives) + ".",
        )
    weights = {identifier(n): w for n, w in weights.items() if n not in {d for d, _ in ensemble.dropped}}
    if set(weights) != set(natives):
        raise UsageError(
            "weights must name each member once",
            place=f"{name}: weights",
            value=sorted(weights),
            hint=f"Members: {', '.join(natives)}.",
        )
    members = []
    for member in ensemble.members:
        native, weight = natives[member.name], weights[member.name]
        place = f"{name}: {member.name}"
        own = member.rebuilt.labels
        mine = levels_and_classes.member_classes(own, native.n_classes, columns.labels, columns.order, place)
        if weight > 0:
            members.append(MemberSpec(member.name, float(weight), native, mine))
    if not members:
        raise UsageError("a member must have a weight above 0", place=name, value=dict(weights))
    return LevelContent(name, ensemble.vote, tuple(members), {})


def _rows(
    path: Path | None, order: FeatureOrder, originals: Mapping[str, str]
) -> tuple[Float64 | None, Float32, dict[str, FeatureFacts]]:
    """Rows as the file has them, as float32, and what they tell of each feature."""
    if path is None:
        return None, np.empty((0, len(order.names)), np.float32), {}
    wide = read_training_rows(path, order.names, originals)
    rows = wide.astype(np.float32)
    facts = {name: f for i, name in enumerate(order.names) if (f := _facts(rows[:, i])) is not None}
    return wide, rows, facts


def _facts(column: Float32) -> FeatureFacts | None:
    found = describe_column(column)
    return None if found is None else FeatureFacts(*found)


def _named(level: str, ensemble: LegacyEnsemble, request: ImportRequest) -> LegacyEnsemble:
    """An ensemble with names of features that an artifact can have, if it may be so."""
    given = ensemble.feature_names or ()
    odd = [name for name in given if not is_identifier(name)]
    if not odd:
        return ensemble
    names = tuple(map(identifier, given))
    if request.feature_order is None and not request.rename_features:
        raise DataError(
            "a feature's name must start with a letter or _ and hold letters, digits, _ . - only",
            place=f"{level or 'ensemble'}: feature {given.index(odd[0]) + 1}",
            value=odd[0],
            hint=f"Import with --rename-features: it becomes {identifier(odd[0])}, and the bot's rows must "
            "use that name. Or rename the column where it is made, and train again.",
        )
    if len(set(names)) != len(names):
        raise DataError("features must differ when they are renamed", place=level, value=odd[:3])
    shown = ", ".join(f"{name!r:.60} is {identifier(name)}" for name in odd[:3])
    more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
    remark = f"features are renamed, and the bot's rows must use the new names: {shown}{more}"
    return replace(ensemble, feature_names=names, remarks=(*ensemble.remarks, remark))


def _decision(classes: tuple[str, ...], fallback: str | None) -> DecisionPolicy:
    """A threshold of 0.35, and half of the probability for the fallback action."""
    action = fallback or "HOLD"
    if action not in classes:
        raise UsageError(
            "the fallback action must be a class",
            place="--fallback-action",
            value=action,
            hint=f"Classes: {', '.join(classes)}. Name them by --classes, or give --fallback-action.",
        )
    rest = 0.5 / (len(classes) - 1)
    return DecisionPolicy(0.35, action, 0.5, tuple(0.5 if c == action else rest for c in classes), None)


def _aliases(files: Mapping[str, tuple[Path, ...]], placed: Mapping[str, str]) -> dict[str, str]:
    """The old file name of each level, without its ending, where it held a whole ensemble."""
    taken = set(placed.values())
    found = {}
    for name, paths in files.items():
        stem = paths[0].name.split(".")[0]
        if len(paths) == 1 and is_identifier(stem) and stem not in taken:
            found[stem] = placed[name]
    return found


def _provenance(
    request: ImportRequest,
    classes: Mapping[object, str],
    order: FeatureOrder,
    levels: Mapping[str, LevelContent],
) -> Provenance:
    """The imported files stand for the data, of which nothing else is known."""
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for paths in request.files.values() for p in paths]
    config = {
        "classes": {str(k): v for k, v in classes.items()},
        "order": order.to_json(),
        "weights": {s.name: {m.name: m.weight for m in s.members} for s in levels.values()},
    }
    return Provenance(
        simulated=False,
        data_sha256=hashlib.sha256("".join(digests).encode()).hexdigest(),
        data_start=None,
        data_end=None if request.data_end is None else _instant(request.data_end),
        rows=0,
        config_sha256=hashlib.sha256(strict_json.canonical_bytes(config)).hexdigest(),
        git_commit=None,
        libraries=_installed(),
        seed=0,
    )


def _installed() -> dict[str, str]:
    """Versions of the libraries that are installed; two distributions bring XGBoost."""
    found: dict[str, str] = {}
    for reader in READERS.values():
        for distribution in reader.distributions:
            with suppress(PackageNotFoundError):
                found.setdefault(reader.distributions[0], version(distribution))
    return found


def _instant(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("a time must be ISO 8601", place="--data-end", value=text) from None
    if moment.tzinfo is not None and moment.utcoffset():
        raise UsageError("a time must be in UTC", place="--data-end", value=text)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
