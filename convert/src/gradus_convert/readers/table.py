"""The member libraries: one entry a library.

To add one: an entry here, and a module with the functions that it names. What its files are, which versions
an import records and which converter the card compares with follow from the entry. A model in
`tests/support/models.py` puts it under the shared suites in `tests/boundary/` and `tests/parity/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["READERS", "Files", "Reader", "Stock", "function"]


@dataclass(frozen=True, slots=True)
class Stock:
    """The converter that a user would take otherwise: its distribution, and a function that calls it."""

    distribution: str
    convert: str


@dataclass(frozen=True, slots=True)
class Files:
    """How a library's model files are told from others, by what is in them.

    Attributes:
        words: How an error calls them.
        starts: What one of them begins with.
        key: A key of the JSON object that a file in JSON holds; None where there is no such file.
        endings: Endings of names, in lower case, for files that nothing in them tells.
    """

    words: str
    starts: tuple[bytes, ...] = ()
    key: str | None = None
    endings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """How the models of a library are lowered. Functions are named "module:name" and imported on first use.

    Attributes:
        read: Lowers a model in memory: `(model, *, place) -> NativeModel`.
        read_file: Lowers the file that training keeps: `(path) -> NativeModel`.
        stock: The usual converter; None if there is none to ask.
        files: How its files are told.
        distributions: Names of the distributions that bring the library, of which an import records the
            version; the first name stands for all.
    """

    read: str
    read_file: str
    stock: Stock | None
    files: Files
    distributions: tuple[str, ...] = ()


READERS: Mapping[str, Reader] = {
    "lightgbm": Reader(
        "gradus_convert.readers.lightgbm:read",
        "gradus_convert.readers.lightgbm:read_file",
        Stock("onnxmltools", "gradus_convert.parity.stock:lightgbm"),
        Files("LightGBM's text", starts=(b"tree\n", b"tree\r\n")),
        ("lightgbm",),
    ),
    "xgboost": Reader(
        "gradus_convert.readers.xgboost:read",
        "gradus_convert.readers.xgboost:read_file",
        Stock("onnxmltools", "gradus_convert.parity.stock:xgboost"),
        Files("XGBoost's UBJSON or JSON", starts=(b"{L",), key="learner"),
        ("xgboost", "xgboost-cpu"),
    ),
    "catboost": Reader(
        "gradus_convert.readers.catboost:read",
        "gradus_convert.readers.catboost:read_file",
        Stock("catboost", "gradus_convert.parity.stock:catboost"),
        Files("CatBoost's cbm or JSON", starts=(b"CBM1",), key="features_info"),
        ("catboost",),
    ),
    "sklearn": Reader(
        "gradus_convert.readers.sklearn_models:read",
        "gradus_convert.readers.sklearn_models:read_file",
        Stock("skl2onnx", "gradus_convert.parity.stock:sklearn"),
        Files("skops", starts=(b"PK\x03\x04",)),
        ("scikit-learn",),
    ),
    "onnx": Reader(
        "gradus_convert.readers.onnx_file:read",
        "gradus_convert.readers.onnx_file:read_file",
        None,
        Files("ONNX", starts=(b"\x08",), endings=(".onnx",)),
    ),
}


def function(path: str) -> Callable[..., Any]:
    """Import what "module:name" names."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
