"""Files in the libraries' own formats: read by the library, in the process that is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gradus_convert.pickles.import_request import Rounds
from gradus_convert.pickles.rebuild import Rebuilt, plain_labels
from gradus_convert.readers.formats import PICKLE, format_of
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.skops import load as load_skops
from gradus_convert.readers.table import READERS, function
from gradus_runtime.errors import DataError

__all__ = ["is_native", "open_native"]


def is_native(path: Path) -> bool:
    """Whether a file is in a format of its library; what cannot be read is left to whoever reads pickles."""
    if not path.is_file():
        return False
    try:
        return format_of(path) != PICKLE
    except DataError:
        return False


def open_native(path: Path, *, max_bytes: int, rounds: Rounds | None) -> Rebuilt:
    """Open LightGBM's text, XGBoost's UBJSON or JSON, CatBoost's cbm or JSON, a skops or an ONNX file.

    Args:
        path: The file.
        max_bytes: Bound of its size.
        rounds: Of an early-stopped XGBoost model; "best" by default.

    Raises:
        DataError: It is too large, or its library cannot read it.
        InexactModelError: The model has no exact form.
    """
    place, kind = str(path), format_of(path)
    if path.stat().st_size > max_bytes:
        rule = f"a model file must be at most {max_bytes} bytes"
        raise DataError(rule, place=place, hint="Raise --max-bytes if you trust the file.")
    if kind == "sklearn":
        model = load_skops(path)
        names = getattr(model, "feature_names_in_", None)
        labels = plain_labels(getattr(model, "classes_", None))
        return Rebuilt(model, labels, None if names is None else tuple(str(n) for n in names))
    native: NativeModel = function(READERS[kind].read_file)(path)
    source: Any = native.source
    stopped = None
    if kind == "xgboost":
        stopped = _stopped(source, rounds)
    labels = None
    if kind == "catboost":
        labels = plain_labels(np.asarray(source.classes_).tolist())
    return Rebuilt(source, labels, native.feature_names, stopped, kind == "lightgbm")


def _stopped(booster: Any, rounds: Rounds | None) -> tuple[int, int] | None:
    best, total = booster.attributes().get("best_iteration"), booster.num_boosted_rounds()
    if best is None or int(best) + 1 >= total:
        return None
    if rounds == "all":
        booster.set_attr(best_iteration=None)
    return (total if rounds == "all" else int(best) + 1), total
