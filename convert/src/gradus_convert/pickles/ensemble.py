"""Finds members, weights and feature names in a file, whatever class of a team's own code it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradus_convert.pickles.files import MAX_BYTES, read_pickle
from gradus_convert.pickles.inert import Global, Inert
from gradus_convert.pickles.rebuild import MODEL_KINDS, Rebuilt, label_values, rebuild
from gradus_runtime.errors import DataError

__all__ = ["LegacyEnsemble", "LegacyMember", "read_ensemble"]

_VOTING = Global("sklearn.ensemble._voting", "VotingClassifier")
_INDEX = ("pandas.core.indexes.base", "_new_Index")
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
        members: In the order of the file, or of the files.
        weights: By member name; None where the files do not say.
        feature_names: Of the ensemble, else of its members; None where nothing says.
        labels: The classes; None where nothing says.
        vote: "soft" or "hard".
    """

    members: tuple[LegacyMember, ...]
    weights: Mapping[str, float] | None
    feature_names: tuple[str, ...] | None
    labels: tuple[object, ...] | None
    vote: str


def read_ensemble(
    paths: tuple[Path, ...], *, any_version: bool = False, max_bytes: int = MAX_BYTES
) -> LegacyEnsemble:
    """Read the pickle or joblib files of one level.

    Args:
        paths: One file with an ensemble, or one file a model.
        any_version: Take scikit-learn models that another minor version wrote.
        max_bytes: Bound of each file, also when decompressed.

    Raises:
        GradusError: A file cannot be read, is refused, or holds no classifier; the message names it.
    """
    roots = [(path, read_pickle(path, max_bytes=max_bytes)) for path in paths]
    if len(roots) == 1 and not _is_model(roots[0][1]):
        path, root = roots[0]
        return _ensemble(root, str(path), any_version)
    members = []
    for path, root in roots:
        if not _is_model(root):
            raise DataError(
                "with several files each must hold one classifier", place=str(path), value=_describe(root)
            )
        name = _member_name(path.name.split(".")[0])
        members.append(LegacyMember(name, rebuild(root, place=str(path), any_version=any_version)))
    return _assemble(members, None, None, None, "soft", ", ".join(str(p) for p in paths))


def _is_model(root: Any) -> bool:
    return isinstance(root, Inert) and root.kind in MODEL_KINDS


def _member_name(stem: str) -> str:
    for ending in _STEM_ENDINGS:
        stem = stem.removesuffix(ending)
    return stem


def _describe(root: Any) -> str:
    return str(root.kind) if isinstance(root, Inert) else type(root).__name__


def _ensemble(root: Any, place: str, any_version: bool) -> LegacyEnsemble:
    if isinstance(root, Inert) and root.kind == _VOTING:
        return _voting(root.attributes, place, any_version)
    state = root.attributes if isinstance(root, Inert) else root
    models = state.get("models") if isinstance(state, dict) else None
    if isinstance(models, Inert):
        models = dict(e for e in models.entries if isinstance(e, tuple) and len(e) == 2)
    if not isinstance(models, dict) or not models:
        raise DataError(
            "an ensemble must hold `models`, a mapping of name to classifier",
            place=place,
            value=_describe(root),
            hint="A file with one classifier, or several such files, will do as well.",
        )
    members = []
    for name, model in models.items():
        where = f"{place}: models[{name!r}]"
        if not isinstance(name, str) or not _is_model(model):
            raise DataError(
                "a member must be a LightGBM, XGBoost or scikit-learn classifier",
                place=where,
                value=_describe(model),
            )
        members.append(LegacyMember(name, rebuild(model, place=where, any_version=any_version)))
    weights = _weights(state.get("weights"), [m.name for m in members], place)
    labels = label_values(state.get("classes_", state.get("classes")))
    return _assemble(members, weights, _feature_names(state.get("feature_names")), labels, "soft", place)


def _voting(state: dict[str, Any], place: str, any_version: bool) -> LegacyEnsemble:
    fitted, named = state.get("estimators_"), state.get("estimators")
    if not isinstance(fitted, list) or not isinstance(named, list) or len(fitted) != len(named):
        raise DataError("a VotingClassifier must be fitted, with no member dropped", place=place)
    members = []
    for (name, _), model in zip(named, fitted, strict=True):
        where = f"{place}: estimators[{name!r}]"
        if not _is_model(model):
            raise DataError("a member must be a classifier", place=where, value=_describe(model))
        members.append(LegacyMember(str(name), rebuild(model, place=where, any_version=any_version)))
    names = [m.name for m in members]
    weights = _weights(state.get("weights"), names, place) or dict.fromkeys(names, 1.0 / len(names))
    vote = "soft" if state.get("voting") == "soft" else "hard"
    labels = label_values(state.get("classes_"))
    return _assemble(members, weights, _feature_names(state.get("feature_names_in_")), labels, vote, place)


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
    if isinstance(value, Inert) and (value.kind.module, value.kind.name) == _INDEX and len(value.args) == 2:
        value = value.args[1].get("data") if isinstance(value.args[1], dict) else None
    found = label_values(value)
    return tuple(str(n) for n in found) if found and all(isinstance(n, str) for n in found) else None


def _assemble(
    members: list[LegacyMember],
    weights: dict[str, float] | None,
    names: tuple[str, ...] | None,
    labels: tuple[object, ...] | None,
    vote: str,
    place: str,
) -> LegacyEnsemble:
    known = [m.rebuilt.feature_names for m in members if m.rebuilt.feature_names]
    for other in known:
        if other != (names or known[0]):
            raise DataError(
                "the members must have been fitted with the same columns in the same order",
                place=place,
                value=[n for n, o in zip(names or known[0], other, strict=False) if n != o][:3],
            )
    if len(members) > MAX_MEMBERS:
        raise DataError(f"a level must have at most {MAX_MEMBERS} members", place=place, value=len(members))
    if len({m.name for m in members}) != len(members):
        raise DataError("a member's name must occur once", place=place, value=[m.name for m in members])
    labels = labels or next((m.rebuilt.labels for m in members if m.rebuilt.labels), None)
    return LegacyEnsemble(tuple(members), weights, names or (known[0] if known else None), labels, vote)
