"""Readers: one module a library lowers its models exactly, or refuses them by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gradus_convert.errors import InexactModelError
from gradus_convert.readers.native import NativeModel
from gradus_runtime.errors import DataError

__all__ = ["LIBRARIES", "NativeModel", "read_file", "read_model"]

LIBRARIES = ("lightgbm", "xgboost", "catboost", "sklearn")

_FORESTS = frozenset(
    {
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
        "RandomForestClassifier",
        "ExtraTreesClassifier",
    }
)


def read_model(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a model in memory, choosing the reader by its type.

    Args:
        model: A fitted classifier of LightGBM, XGBoost or scikit-learn, or a Booster of the first two.
        place: How errors name it.

    Raises:
        InexactModelError: No reader knows it, or it has no exact form.
    """
    return _reader(model, place)(model, place=place)


def _reader(model: Any, place: str) -> Callable[..., NativeModel]:
    library = type(model).__module__.partition(".")[0]
    if library == "lightgbm":
        from gradus_convert.readers import lightgbm

        return lightgbm.read
    if library == "xgboost":
        from gradus_convert.readers import xgboost

        return xgboost.read
    if library == "catboost":
        from gradus_convert.readers import catboost

        return catboost.read
    if library != "sklearn":
        raise InexactModelError(
            f"a member must be of {', '.join(LIBRARIES)}", place=place, value=type(model).__qualname__
        )
    name = type(model).__name__
    if name in _FORESTS:
        from gradus_convert.readers import sklearn

        return sklearn.read
    if name in {"GradientBoostingClassifier", "HistGradientBoostingClassifier"}:
        from gradus_convert.readers import sklearn_boosting

        hist = name.startswith("Hist")
        return (
            sklearn_boosting.read_hist_gradient_boosting if hist else sklearn_boosting.read_gradient_boosting
        )
    from gradus_convert.readers import sklearn_fragment

    return sklearn_fragment.read


def read_file(path: Path, library: str) -> NativeModel:
    """Lower a model file of a run folder.

    Args:
        path: LightGBM's text, XGBoost's UBJSON or JSON, CatBoost's cbm or JSON, scikit-learn's skops.
        library: One of `LIBRARIES`.

    Raises:
        DataError: The file cannot be read, or the library is unknown.
        InexactModelError: The model has no exact form.
    """
    if not path.is_file():
        raise DataError("a model file must exist", place=str(path))
    if library == "lightgbm":
        from gradus_convert.readers import lightgbm

        return lightgbm.read_file(path)
    if library == "xgboost":
        from gradus_convert.readers import xgboost

        return xgboost.read_file(path)
    if library == "catboost":
        from gradus_convert.readers import catboost

        return catboost.read_file(path)
    if library == "sklearn":
        from gradus_convert.readers import skops

        return read_model(skops.load(path), place=str(path))
    raise DataError(f"a library must be one of {', '.join(LIBRARIES)}", place=str(path), value=library)
