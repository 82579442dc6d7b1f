"""The member libraries: one entry a library.

To add one: an entry here, and a module with the functions that it names. The shared suites in
`tests/boundary/` and `tests/parity/` then run over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["READERS", "Reader", "Stock", "function"]


@dataclass(frozen=True, slots=True)
class Stock:
    """The converter that a user would take otherwise: its distribution, and a function that calls it."""

    distribution: str
    convert: str


@dataclass(frozen=True, slots=True)
class Reader:
    """How the models of a library are lowered. Functions are named "module:name" and imported on first use.

    Attributes:
        read: Lowers a model in memory: `(model, *, place) -> NativeModel`.
        read_file: Lowers the file that training keeps: `(path) -> NativeModel`.
        stock: The usual converter; None if there is none to ask.
    """

    read: str
    read_file: str
    stock: Stock | None


READERS: Mapping[str, Reader] = {
    "lightgbm": Reader(
        "gradus_convert.readers.lightgbm:read",
        "gradus_convert.readers.lightgbm:read_file",
        Stock("onnxmltools", "gradus_convert.parity.stock:lightgbm"),
    ),
    "xgboost": Reader(
        "gradus_convert.readers.xgboost:read",
        "gradus_convert.readers.xgboost:read_file",
        Stock("onnxmltools", "gradus_convert.parity.stock:xgboost"),
    ),
    "catboost": Reader(
        "gradus_convert.readers.catboost:read",
        "gradus_convert.readers.catboost:read_file",
        Stock("catboost", "gradus_convert.parity.stock:catboost"),
    ),
    "sklearn": Reader(
        "gradus_convert.readers.sklearn_models:read",
        "gradus_convert.readers.sklearn_models:read_file",
        Stock("skl2onnx", "gradus_convert.parity.stock:sklearn"),
    ),
    "onnx": Reader(
        "gradus_convert.readers.onnx_file:read",
        "gradus_convert.readers.onnx_file:read_file",
        None,
    ),
}


def function(path: str) -> Callable[..., Any]:
    """Import what "module:name" names."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
