"""Which library wrote a model file, by what is in it: a name says little."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from gradus_runtime.errors import DataError, EnvironmentFailedError

__all__ = ["Format", "format_of"]

Format = Literal["lightgbm", "xgboost", "catboost", "sklearn", "onnx", "pickle"]

_START = 4096
_PACKED = (b"\x1f\x8b", b"\x78", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00", b"ZF", b"\x04\x22\x4d\x18")
_ENDINGS: dict[str, Format] = {".onnx": "onnx", ".pkl": "pickle", ".pickle": "pickle", ".joblib": "pickle"}


def format_of(path: Path) -> Format:
    """Return what a model file is.

    Raises:
        DataError: It is no regular file, or of no known form.
        EnvironmentFailedError: It cannot be read.
    """
    place = str(path)
    if not path.exists():
        raise DataError("a model file must exist", place=place)
    if not path.is_file():
        raise DataError("a model must be a regular file", place=place)
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as e:
        raise EnvironmentFailedError("the model must be readable", place=place, cause=e.strerror) from None
    found = _of_start(start) or _ENDINGS.get(path.suffix.lower())
    if found is None and start.lstrip()[:1] == b"{":
        found = _of_json(path)
    if found is None:
        raise DataError(
            "a model file must be LightGBM's text, XGBoost's UBJSON or JSON, CatBoost's cbm or JSON, skops, "
            "ONNX, or a pickle",
            place=place,
        )
    return found


def _of_start(start: bytes) -> Format | None:
    if start.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if start.startswith(b"CBM1"):
        return "catboost"
    if start.startswith(b"PK\x03\x04"):
        return "sklearn"
    if start.startswith(b"{L"):
        return "xgboost"
    if (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05") or start.startswith(_PACKED):
        return "pickle"
    return "onnx" if start[:1] == b"\x08" else None


def _of_json(path: Path) -> Format | None:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if "learner" in document:
        return "xgboost"
    return "catboost" if "features_info" in document else None
