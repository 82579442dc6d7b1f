"""Rebuilds library objects from inert values: boosters from their own formats, scikit-learn by a list.

Nothing of a file reaches a C library as it is. LightGBM's text and XGBoost's buffer are read here, checked,
and written anew (`lightgbm_text`, `xgboost_model`); scikit-learn walks its trees without looking at bounds,
so `estimators` checks their nodes before it builds them. And no row is predicted before a reader has lowered
what the library says it holds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from gradus_convert.errors import InexactModelError
from gradus_convert.pickles import rebuild_sklearn, rewrite_lightgbm, rewrite_xgboost
from gradus_convert.pickles.import_request import Rounds
from gradus_convert.pickles.inert import BrokenPickleError, Global, Inert
from gradus_convert.readers.xgboost import import_library
from gradus_runtime.errors import EnvironmentFailedError

__all__ = ["MODEL_KINDS", "Rebuilt", "plain_labels", "rebuild"]

_LIGHTGBM_WRAPPERS = frozenset(Global("lightgbm.sklearn", n) for n in ("LGBMClassifier", "LGBMRegressor"))
_LIGHTGBM_BOOSTER = Global("lightgbm.basic", "Booster")
_XGBOOST_WRAPPERS = frozenset(
    Global("xgboost.sklearn", f"XGB{n}") for n in ("Classifier", "RFClassifier", "Regressor", "RFRegressor")
)
_XGBOOST_BOOSTER = Global("xgboost.core", "Booster")
MODEL_KINDS = frozenset(
    {_LIGHTGBM_BOOSTER, _XGBOOST_BOOSTER}
    | _LIGHTGBM_WRAPPERS
    | _XGBOOST_WRAPPERS
    | rebuild_sklearn.CLASSIFIERS
)
"""Kinds of `Inert` that are models."""

_XGBOOST_VERSION = re.compile(rb'version"?\[?[^0-9]{0,8}(\d{1,3}),(\d{1,3}),(\d{1,3})')


@dataclass(frozen=True, slots=True, eq=False)
class Rebuilt:
    """A model as its library holds it.

    Attributes:
        model: A LightGBM or XGBoost Booster, or a scikit-learn classifier.
        labels: Its classes in the order of its columns, None where the file does not say.
        feature_names: The column names it was fitted with, None where the file does not say.
        stopped: Of an early-stopped booster that has more rounds than its best: the rounds taken, and all.
        replaced: Whether LightGBM wrote the names, in which it replaces blanks by `_`.
    """

    model: Any
    labels: tuple[object, ...] | None
    feature_names: tuple[str, ...] | None
    stopped: tuple[int, int] | None = None
    replaced: bool = False


def rebuild(inert: Inert, *, place: str, any_version: bool = False, rounds: Rounds | None = None) -> Rebuilt:
    """Rebuild a model.

    Args:
        inert: Of one of `MODEL_KINDS`.
        place: How errors name it.
        any_version: Take scikit-learn models that another minor version wrote.
        rounds: Of early-stopped boosters; None for those that the library's own `predict` takes: the best,
            but all of a bare XGBoost `Booster`.

    Raises:
        BrokenPickleError: Its state is not what the library writes.
        EnvironmentFailedError: The installed library cannot read it.
        InexactModelError: It has no exact form.
    """
    try:
        return _rebuild(inert, place, any_version, rounds)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as e:
        raise BrokenPickleError(
            "a model's state must be what its library writes", place=place, cause=f"{type(e).__name__}: {e}"
        ) from None


def _rebuild(inert: Inert, place: str, any_version: bool, rounds: Rounds | None) -> Rebuilt:
    state = inert.attributes
    if inert.kind in _LIGHTGBM_WRAPPERS:
        booster, stopped = _lightgbm(_booster(state, "_Booster", _LIGHTGBM_BOOSTER, place), place, rounds)
        own = _names(state.get("feature_names_in_"))
        names = own or _given_names(booster.feature_name(), "Column_")
        return Rebuilt(booster, plain_labels(state.get("_classes")), names, stopped, own is None)
    if inert.kind == _LIGHTGBM_BOOSTER:
        booster, stopped = _lightgbm(state, place, rounds)
        return Rebuilt(booster, None, _given_names(booster.feature_name(), "Column_"), stopped, True)
    if inert.kind in _XGBOOST_WRAPPERS:
        _check_missing(state.get("missing"), place)
        inner = _booster(state, "_Booster", _XGBOOST_BOOSTER, place)
        booster, stopped = _xgboost(inner, place, rounds or "best")
        encoder = state.get("_le")
        known = encoder.attributes.get("classes_") if isinstance(encoder, Inert) else state.get("classes_")
        return Rebuilt(booster, plain_labels(known), _names(booster.feature_names), stopped)
    if inert.kind == _XGBOOST_BOOSTER:
        booster, stopped = _xgboost(state, place, rounds or "all")
        return Rebuilt(booster, None, _names(booster.feature_names), stopped)
    model = rebuild_sklearn.rebuild_estimator(inert, place=place, any_version=any_version)
    names = _names(getattr(model, "feature_names_in_", None))
    return Rebuilt(model, plain_labels(model.classes_), names)


def plain_labels(values: Any) -> tuple[object, ...] | None:
    """Labels as plain values, or None if these are not labels."""
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, list | tuple) and all(isinstance(v, str | int | float | bool) for v in values):
        return tuple(values)
    return None


def _names(values: Any) -> tuple[str, ...] | None:
    found = plain_labels(values)
    return tuple(str(v) for v in found) if found and all(isinstance(v, str) for v in found) else None


def _given_names(names: list[str], default_prefix: str) -> tuple[str, ...] | None:
    own = [f"{default_prefix}{i}" for i in range(len(names))]
    return None if list(names) == own else tuple(names)


def _booster(state: dict[str, Any], key: str, kind: Global, place: str) -> dict[str, Any]:
    booster = state.get(key)
    if not isinstance(booster, Inert) or booster.kind != kind:
        raise BrokenPickleError("a classifier must be fitted", place=place, value=f"{key} is missing")
    return booster.attributes


def _lightgbm(state: dict[str, Any], place: str, rounds: Rounds | None) -> tuple[Any, tuple[int, int] | None]:
    import lightgbm

    text = state.get("_handle", state.get("handle"))
    if not isinstance(text, str):
        raise BrokenPickleError("a LightGBM booster must hold its text model", place=place)
    try:
        booster = lightgbm.Booster(model_str=rewrite_lightgbm.rewrite(text, place))
    except lightgbm.basic.LightGBMError as e:
        raise BrokenPickleError(
            "LightGBM must be able to read its model", place=place, cause=str(e)
        ) from None
    best = state.get("best_iteration")
    total = booster.current_iteration()
    if type(best) is not int or not 0 < best < total:
        booster.best_iteration = -1
        return booster, None
    booster.best_iteration = -1 if rounds == "all" else best
    return booster, (total if rounds == "all" else best, total)


def _xgboost(state: dict[str, Any], place: str, rounds: Rounds) -> tuple[Any, tuple[int, int] | None]:
    xgboost = import_library(place)
    data = state.get("handle")
    if not isinstance(data, bytes | bytearray) or not data:
        raise BrokenPickleError("an XGBoost booster must hold its buffer", place=place)
    found = _XGBOOST_VERSION.search(bytes(data[: 1 << 20]))
    wrote = ".".join(p.decode() for p in found.groups()) if found else "an unknown version"
    try:
        model = rewrite_xgboost.rewrite(bytes(data))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as e:
        raise BrokenPickleError(
            "a buffer must be one that XGBoost 1.6 or newer wrote, whole",
            place=place,
            cause=f"written by {wrote}: {type(e).__name__}: {e}",
            hint="If it is complete, load it where it was written, and pickle it again with a newer XGBoost.",
        ) from None
    try:
        booster = xgboost.Booster(model_file=bytearray(model))
    except xgboost.core.XGBoostError as e:
        raise EnvironmentFailedError(
            "the installed XGBoost must be able to read the model",
            place=place,
            cause=f"written by {wrote}, installed {xgboost.__version__}: {str(e).splitlines()[0]}",
            hint="Install another version of XGBoost.",
        ) from None

    best, total = booster.attributes().get("best_iteration"), booster.num_boosted_rounds()
    if best is None:
        return booster, None
    if rounds == "all":
        booster.set_attr(best_iteration=None)
    taken = min(int(best) + 1, total) if rounds == "best" else total
    return booster, (taken, total) if int(best) + 1 < total else None


def _check_missing(missing: Any, place: str) -> None:
    if missing is None or (isinstance(missing, float) and math.isnan(missing)):
        return
    raise InexactModelError(
        "missing must be NaN", place=place, value=missing, hint="Train with missing=nan, the default."
    )
