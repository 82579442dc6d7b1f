"""Finds members, weights and feature names in a file, whatever class of a team's own code it holds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradus_convert.pickles.import_request import Rounds
from gradus_convert.pickles.inert import Global, Inert
from gradus_convert.pickles.native_files import is_native, open_native
from gradus_convert.pickles.pandas_names import index_values
from gradus_convert.pickles.pickle_files import MAX_BYTES, read_pickle
from gradus_convert.pickles.rebuild import MODEL_KINDS, Rebuilt, plain_labels, rebuild
from gradus_convert.pickles.safe_names import identifier
from gradus_runtime.errors import DataError, GradusError, UsageError
from gradus_runtime.wording import plural

__all__ = ["LegacyEnsemble", "LegacyMember", "or_drop", "read_ensemble"]

_VOTING = Global("sklearn.ensemble._voting", "VotingClassifier")
_OTHER_MODEL = (
    "Of scikit-learn, pickles of classifiers of trees are read. gradus compile takes more from skops "
    "(skops.io.dump(model, 'model.skops'), where you trust the pickle), and gradus_convert.compile(model) "
    "takes the fitted model."
)
MAX_MEMBERS = 100
_STEM_ENDINGS = ("_model", "-model", "_classifier", "-classifier")


@dataclass(frozen=True, slots=True, eq=False)
class LegacyMember:
    """A model of an ensemble: its name, and the model as its library holds it."""

    name: str
    rebuilt: Rebuilt


@dataclass(frozen=True, slots=True, eq=False)
class LegacyEnsemble:
    """What was found in the files of one level.

    Attributes:
        members: In the order of the file, or of the files; their names are identifiers.
        weights: By member name; None where the files do not say.
        feature_names: Of the ensemble, else of its members; None where nothing says.
        labels: The classes; None where nothing says.
        vote: "soft" or "hard".
        dropped: Name and reason of each member that was left out.
        remarks: What a person should know of what was found; sentences without full stops.
    """

    members: tuple[LegacyMember, ...]
    weights: Mapping[str, float] | None
    feature_names: tuple[str, ...] | None
    labels: tuple[object, ...] | None
    vote: str
    dropped: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """What stands where a member does: its name in the file, the same as an identifier, place, value."""

    original: str
    name: str
    place: str
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """An ensemble as its file has it; weights by the members' names in the file."""

    candidates: tuple[_Candidate, ...]
    weights: Mapping[str, float] | None
    feature_names: tuple[str, ...] | None
    labels: tuple[object, ...] | None
    vote: str
    place: str


def read_ensemble(
    paths: tuple[Path, ...],
    *,
    any_version: bool = False,
    max_bytes: int = MAX_BYTES,
    drop: Collection[str] = (),
    rounds: Rounds | None = None,
) -> LegacyEnsemble:
    """Read the files of one level: pickles, joblib, or the libraries' own formats.

    Args:
        paths: One file with an ensemble, or one file a model.
        any_version: Take scikit-learn models that another minor version wrote.
        max_bytes: Bound of each file, also when decompressed.
        drop: Members to leave out, by their names in the file or as identifiers; others are no error.
        rounds: Of early-stopped boosters; None for those that each library's own `predict` takes.

    Raises:
        GradusError: A file cannot be read, is refused, or holds no classifier; the message names it.
    """
    found = _find([(path, _read(path, max_bytes, rounds)) for path in paths])
    kept = [c for c in found.candidates if not {c.original, c.name} & set(drop)]
    if not kept:
        raise UsageError("at least one member must be left", place=found.place, value=sorted(drop))
    if len(kept) > MAX_MEMBERS:
        rule = f"a level must have at most {MAX_MEMBERS} members"
        raise DataError(rule, place=found.place, value=len(kept))
    members = [_member(c, len(kept) > 1, any_version, rounds) for c in kept]
    if len({m.name for m in members}) != len(members):
        raise DataError("a member's name must occur once", place=found.place, value=[m.name for m in members])
    weights = None if found.weights is None else {c.name: found.weights[c.original] for c in kept}
    dropped = tuple((c.name, _reason(c)) for c in found.candidates if c not in kept)
    names = _shared_names(found, members)
    labels = found.labels or _shared_labels([m.rebuilt.labels for m in members if m.rebuilt.labels])
    remarks = tuple(r for c, m in zip(kept, members, strict=True) for r in _remarks(c, m))
    named = [m for m in members if m.rebuilt.feature_names]
    if names and not found.feature_names and all(m.rebuilt.replaced for m in named) and "_" in "".join(names):
        remarks += (
            "names of columns are LightGBM's, which writes _ for blanks: a bot's rows must use these",
        )
    return LegacyEnsemble(tuple(members), weights, names, labels, found.vote, dropped, remarks)


def _read(path: Path, max_bytes: int, rounds: Rounds | None) -> Any:
    if is_native(path):
        return open_native(path, max_bytes=max_bytes, rounds=rounds)
    return read_pickle(path, max_bytes=max_bytes)


def _find(roots: Sequence[tuple[Path, Any]]) -> _Found:
    if len(roots) == 1 and not _is_model(roots[0][1]):
        path, root = roots[0]
        return _ensemble(root, str(path))
    candidates = []
    for path, root in roots:
        if len(roots) == 1 and not _is_model(root):
            raise DataError("a file must hold a classifier", place=str(path), value=_describe(root))
        name = _member_name(path.name.split(".")[0])
        candidates.append(_Candidate(name, identifier(name), str(path), root))
    return _Found(tuple(candidates), None, None, None, "soft", ", ".join(str(p) for p, _ in roots))


def _is_model(root: Any) -> bool:
    return isinstance(root, Rebuilt) or (isinstance(root, Inert) and root.kind in MODEL_KINDS)


def _member_name(stem: str) -> str:
    for ending in _STEM_ENDINGS:
        stem = stem.removesuffix(ending)
    return stem


def _describe(root: Any) -> str:
    return str(root.kind) if isinstance(root, Inert) else type(root).__name__


def _reason(candidate: _Candidate) -> str:
    return f"asked for; it is {_describe(candidate.value)}"[:200]


def _member(candidate: _Candidate, others: bool, any_version: bool, rounds: Rounds | None) -> LegacyMember:
    """Rebuild a member; where there are others, an error says how to go on without this one."""
    try:
        if not _is_model(candidate.value):
            raise DataError(
                "a member must be a LightGBM, XGBoost or scikit-learn classifier",
                place=candidate.place,
                value=_describe(candidate.value),
            )
        if isinstance(candidate.value, Rebuilt):
            return LegacyMember(candidate.name, candidate.value)
        rebuilt = rebuild(candidate.value, place=candidate.place, any_version=any_version, rounds=rounds)
    except GradusError as e:
        raise (or_drop(e, candidate.name) if others else e) from None
    return LegacyMember(candidate.name, rebuilt)


def or_drop(error: GradusError, name: str) -> GradusError:
    """Return an error about a member that also says how to go on without it."""
    way = f"Or leave the member out, with the weights of the others renormalised: --drop-member {name}."
    hint = way if error.hint is None else f"{error.hint.rstrip('.')}. {way}"
    return type(error)(error.rule, place=error.place, value=error.value, cause=error.cause, hint=hint)


def _remarks(candidate: _Candidate, member: LegacyMember) -> Iterator[str]:
    if candidate.name != candidate.original:
        yield f"{candidate.original!r:.80} is called {candidate.name}"
    if member.rebuilt.stopped is not None:
        taken, total = member.rebuilt.stopped
        other = "--rounds all takes them all" if taken < total else "--rounds best stops at the best"
        rounds = f"{plural(total, 'round')} {plural(taken, 'is', 'are')}"
        yield f"{member.name} stopped early: {taken} of its {total} {rounds} taken ({other})"


def _ensemble(root: Any, place: str) -> _Found:
    if isinstance(root, Inert) and root.kind == _VOTING:
        return _voting(root.attributes, place)
    state = root.attributes if isinstance(root, Inert) else root
    models = state.get("models") if isinstance(state, dict) else None
    if isinstance(models, Inert):
        models = dict(e for e in models.entries if isinstance(e, tuple) and len(e) == 2)
    if not isinstance(models, dict) or not models:
        raise DataError(
            "an ensemble must hold `models`, a mapping of name to classifier",
            place=place,
            value=_describe(root),
            hint=_OTHER_MODEL
            if _describe(root).startswith("sklearn.")
            else "A file with one classifier, or several such files, are accepted too.",
        )
    candidates = []
    for name, model in models.items():
        where = f"{place}: models[{name!r:.80}]"
        if not isinstance(name, str):
            raise DataError("a member's name must be text", place=where, value=name)
        candidates.append(_Candidate(name, identifier(name), where, model))
    weights = _weights(state.get("weights"), [c.original for c in candidates], place)
    labels = plain_labels(state.get("classes_", state.get("classes")))
    names = _feature_names(state.get("feature_names"))
    return _Found(tuple(candidates), weights, names, labels, "soft", place)


def _voting(state: dict[str, Any], place: str) -> _Found:
    fitted, named = state.get("estimators_"), state.get("estimators")
    if not isinstance(fitted, list) or not isinstance(named, list) or len(fitted) != len(named):
        raise DataError("a VotingClassifier must be fitted, with no member dropped", place=place)
    candidates = []
    for (name, _), model in zip(named, fitted, strict=True):
        where = f"{place}: estimators[{name!r:.80}]"
        candidates.append(_Candidate(str(name), identifier(str(name)), where, model))
    names = [c.original for c in candidates]
    weights = _weights(state.get("weights"), names, place) or dict.fromkeys(names, 1.0 / len(names))
    vote = "soft" if state.get("voting") == "soft" else "hard"
    labels = plain_labels(state.get("classes_"))
    return _Found(
        tuple(candidates), weights, _feature_names(state.get("feature_names_in_")), labels, vote, place
    )


def _weights(value: Any, names: list[str], place: str) -> dict[str, float] | None:
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple) and len(value) == len(names):
        value = dict(zip(names, value, strict=True))
    if not isinstance(value, dict) or set(value) != set(names):
        raise DataError("weights must be given for each member", place=f"{place}: weights")
    for name, weight in value.items():
        number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight < 0:
            raise DataError("a weight must be a number of at least 0", place=f"{place}: weights[{name!r}]")
    return {name: float(value[name]) for name in names}


def _feature_names(value: Any) -> tuple[str, ...] | None:
    found = plain_labels(index_values(value))
    return tuple(str(n) for n in found) if found and all(isinstance(n, str) for n in found) else None


def _shared_names(found: _Found, members: Sequence[LegacyMember]) -> tuple[str, ...] | None:
    """The columns' names, which must be the same for all; in LightGBM's own, `_` may stand for a blank."""
    known = [(found.feature_names, False)] if found.feature_names else []
    known += [
        (m.rebuilt.feature_names, m.rebuilt.replaced) for m in members if m.rebuilt.feature_names is not None
    ]
    known.sort(key=lambda pair: pair[1])  # names as they were given come before names that LightGBM changed
    for other, replaced in known[1:]:
        first = known[0][0]
        if other != first and not (replaced and other == tuple(n.replace(" ", "_") for n in first)):
            raise DataError(
                "the members must have been fitted with the same columns in the same order",
                place=found.place,
                value=[n for n, o in zip(first, other, strict=False) if n != o][:3],
            )
    return known[0][0] if known else None


def _shared_labels(known: Sequence[tuple[object, ...]]) -> tuple[object, ...] | None:
    """The labels of all members: each may have seen fewer classes than another."""
    if not known:
        return None
    widest = max(known, key=len)
    every = {label for labels in known for label in labels}
    if every <= set(widest) or len({type(label) for label in every}) > 1:
        return widest
    return tuple(sorted(every, key=lambda label: label if isinstance(label, int | float) else str(label)))
