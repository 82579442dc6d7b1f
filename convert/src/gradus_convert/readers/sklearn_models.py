"""Lowers scikit-learn models: each class by the reader that knows it, others as fragments of skl2onnx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.table import function

__all__ = ["read", "read_file"]

_TREES = "gradus_convert.readers.sklearn:read"
_TREE_VALUES = "gradus_convert.readers.sklearn:read_regressor"
_GRADIENT = "gradus_convert.readers.sklearn_boosting:read_gradient_boosting"
_HISTOGRAM = "gradus_convert.readers.sklearn_boosting:read_hist_gradient_boosting"
_READERS: Mapping[str, str] = {
    **dict.fromkeys(
        ("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier"),
        _TREES,
    ),
    **dict.fromkeys(
        ("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor"),
        _TREE_VALUES,
    ),
    "GradientBoostingClassifier": _GRADIENT,
    "GradientBoostingRegressor": _GRADIENT,
    "HistGradientBoostingClassifier": _HISTOGRAM,
    "HistGradientBoostingRegressor": _HISTOGRAM,
}
_FRAGMENT = "gradus_convert.readers.sklearn_fragment:read"


def read(model: Any, *, place: str) -> NativeModel:
    """Lower a fitted classifier or regressor.

    Raises:
        InexactModelError: It has no exact form.
    """
    native: NativeModel = function(_READERS.get(type(model).__name__, _FRAGMENT))(model, place=place)
    return native


def read_file(path: Path) -> NativeModel:
    """Lower a skops file.

    Raises:
        DataError: It cannot be read.
        InexactModelError: The model has no exact form.
    """
    from gradus_convert.readers import skops

    return read(skops.load(path), place=str(path))
