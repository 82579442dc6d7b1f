"""The attributes of a tree operator, each held to the type and length that is asked of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from gradus_convert.compaction.tree_operator import Transform, refuse
from gradus_runtime.wording import counted

__all__ = ["AGGREGATES", "TRANSFORMS", "Attributes", "is_average", "transform_of"]

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_Array = npt.NDArray[Any]


class Attributes:
    """The attributes of a node, each with the type that is asked of it."""

    def __init__(self, node: onnx.NodeProto, place: str) -> None:
        self.place = place
        try:
            self._values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        except ValueError as e:
            raise refuse("attributes must have a type", place, str(e)) from None
        for name, value in self._values.items():
            if isinstance(value, onnx.TensorProto):
                self._values[name] = _tensor(value, name, place)

    def array(self, name: str, dtype: type[np.generic], count: int | None = None) -> _Array:
        """A list; empty where it is absent. With `count`, exactly so many entries."""
        raw = self._values.get(name, ())
        try:
            value = np.array(raw, dtype=dtype).reshape(-1)
        except (TypeError, ValueError, OverflowError):
            raise refuse(f"{name} must be a list of numbers", self.place) from None
        if count is not None and len(value) != count:
            raise refuse(f"{name} must have {counted(count, 'entry', 'entries')}", self.place, len(value))
        if value.dtype.kind == "f" and np.isnan(value).any():
            raise refuse(f"{name} must hold no NaN", self.place)
        return value

    def words(self, name: str) -> list[str]:
        """A list of words."""
        raw = self._values.get(name, [])
        if not isinstance(raw, list) or not all(isinstance(w, bytes) for w in raw):
            raise refuse(f"{name} must be a list of words", self.place)
        return [w.decode("utf-8", "replace") for w in raw]

    def word(self, name: str, default: str) -> str:
        """One word."""
        raw = self._values.get(name, default.encode())
        return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else repr(raw)

    def number(self, name: str, default: int) -> int:
        """One integer."""
        raw = self._values.get(name, default)
        if not isinstance(raw, int):
            raise refuse(f"{name} must be an integer", self.place)
        return raw


def _tensor(tensor: onnx.TensorProto, name: str, place: str) -> _Array:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise refuse("a tensor must be inside the file", place, name)
    wanted = onnx.TensorProto.UINT8 if name == "nodes_modes" else onnx.TensorProto.FLOAT
    if tensor.data_type != wanted or name.endswith("_as_tensor"):
        raise refuse("numbers must be float32", place, name, "A model of doubles has no exact form.")
    try:
        return numpy_helper.to_array(tensor)
    except ValueError as e:
        raise refuse("a tensor must hold what its shape says", place, str(e)) from None


def transform_of(name: str, place: str) -> Transform:
    """Return a post_transform that has an exact form, or refuse it."""
    exact: dict[str, Transform] = {"NONE": "NONE", "SOFTMAX": "SOFTMAX", "LOGISTIC": "LOGISTIC"}
    if name not in exact:
        raise refuse(f"post_transform must be one of {', '.join(exact)}", place, name)
    return exact[name]


def is_average(name: str, place: str) -> bool:
    """Return whether an aggregate_function is AVERAGE; refuse all but SUM and AVERAGE."""
    if name not in ("SUM", "AVERAGE"):
        raise refuse("aggregate_function must be SUM or AVERAGE", place, name)
    return name == "AVERAGE"
