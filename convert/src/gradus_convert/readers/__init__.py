"""Readers: one module a library lowers its models exactly, or refuses them by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.table import READERS, function
from gradus_runtime.errors import DataError
from gradus_runtime.store import disk

__all__ = ["READERS", "NativeModel", "read_file", "read_model"]


def read_model(model: Any, *, place: str = "model", values: bool = False) -> NativeModel:
    """Lower a model in memory, choosing the reader by its type.

    Args:
        model: A fitted model of one of the libraries, or a Booster.
        place: How errors name it.
        values: Take models of values too, such as regressors. The members of a level tell classes apart.

    Raises:
        InexactModelError: No reader knows it, or it has no exact form.
    """
    reader = READERS.get(type(model).__module__.partition(".")[0])
    if reader is None:
        raise InexactModelError(
            f"a member must be of {', '.join(READERS)}", place=place, value=type(model).__qualname__
        )
    native: NativeModel = function(reader.read)(model, place=place)
    return native if values else _of_classes(native, place)


def _of_classes(native: NativeModel, place: str) -> NativeModel:
    if native.task != "classes":
        raise InexactModelError(
            "a member must give the probabilities of classes",
            place=place,
            cause="it gives values, as regressors do",
            hint="gradus compile takes it; a level's members vote for classes.",
        )
    if isinstance(native.lowered, Forest) and native.lowered.link == "sigmoids":
        raise InexactModelError(
            "a member's probabilities must sum to 1",
            place=place,
            cause="it tells each class from all others",
            hint="Train with a softmax (multiclass, MultiClass); gradus compile takes it as it is.",
        )
    return native


def read_file(path: Path, library: str, *, values: bool = False) -> NativeModel:
    """Lower a model file of a run folder.

    Args:
        path: LightGBM's text, XGBoost's UBJSON or JSON, CatBoost's cbm or JSON, scikit-learn's skops.
        library: One of `READERS`.
        values: As in `read_model`.

    Raises:
        DataError: The file cannot be read, or the library is unknown.
        InexactModelError: The model has no exact form.
    """
    with disk.failing("the model must be readable", str(path), reading=True):
        is_there, is_regular = disk.exists(path), disk.is_file(path)
    if not is_there:
        raise DataError("a model file must exist", place=str(path))
    if not is_regular:
        raise DataError("a model must be a regular file", place=str(path))
    reader = READERS.get(library)
    if reader is None:
        raise DataError(f"a library must be one of {', '.join(READERS)}", place=str(path), value=library)
    native: NativeModel = function(reader.read_file)(path)
    return native if values else _of_classes(native, str(path))
