"""Readers: one module a library lowers its models exactly, or refuses them by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradus_convert.errors import InexactModelError
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.table import READERS, function
from gradus_runtime.errors import DataError

__all__ = ["READERS", "NativeModel", "read_file", "read_model"]


def read_model(model: Any, *, place: str = "model") -> NativeModel:
    """Lower a model in memory, choosing the reader by its type.

    Args:
        model: A fitted classifier of one of the libraries, or a Booster.
        place: How errors name it.

    Raises:
        InexactModelError: No reader knows it, or it has no exact form.
    """
    reader = READERS.get(type(model).__module__.partition(".")[0])
    if reader is None:
        raise InexactModelError(
            f"a member must be of {', '.join(READERS)}", place=place, value=type(model).__qualname__
        )
    native: NativeModel = function(reader.read)(model, place=place)
    return native


def read_file(path: Path, library: str) -> NativeModel:
    """Lower a model file of a run folder.

    Args:
        path: LightGBM's text, XGBoost's UBJSON or JSON, CatBoost's cbm or JSON, scikit-learn's skops.
        library: One of `READERS`.

    Raises:
        DataError: The file cannot be read, or the library is unknown.
        InexactModelError: The model has no exact form.
    """
    if not path.is_file():
        raise DataError("a model file must exist", place=str(path))
    reader = READERS.get(library)
    if reader is None:
        raise DataError(f"a library must be one of {', '.join(READERS)}", place=str(path), value=library)
    native: NativeModel = function(reader.read_file)(path)
    return native
