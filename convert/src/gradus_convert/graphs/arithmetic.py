"""The operators of the exact vote, to be written as nodes or carried out in numpy.

Each is one that IEEE 754, or the integers, define to the last bit, and each works on an element by itself or
picks one among several. None adds up several numbers in an order of its own choice (ReduceSum, MatMul,
Softmax), and none calls a mathematical library (Exp, Sigmoid): those have other last bits on other machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from onnx import helper

from gradus_convert.graphs.builder import Graph

__all__ = ["Arithmetic", "Operator", "as_nodes", "in_numpy"]

Operator = Literal["Add", "Sub", "Mul", "Div", "Max", "Min", "Floor", "Equal"]
Value = TypeVar("Value")
Array = npt.NDArray[Any]


class Arithmetic(Protocol[Value]):
    """What can be done with values; shapes broadcast as in numpy."""

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> Value:
        """Return a constant."""

    def apply(self, operator: Operator, *values: Value) -> Value:
        """Apply an operator element by element."""

    def root(self, value: Value) -> Value:
        """Return the square root, rounded as IEEE 754 says."""

    def cast(self, value: Value, dtype: npt.DTypeLike) -> Value:
        """Convert; float64 to float32 rounds to the nearest, ties to even."""

    def gather(self, table: Value, index: Value, axis: int) -> Value:
        """Take entries of a table along an axis."""

    def reshape(self, value: Value, *dims: int) -> Value:
        """Give the same elements other dimensions; one may be -1."""

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """Put side by side along an axis."""

    def argmax(self, value: Value, axis: int) -> Value:
        """Return where the largest along an axis is, the first in a tie; the axis stays, of length 1."""

    def append_zero(self, value: Value) -> Value:
        """Append a column of 0 to two dimensions."""


def as_nodes(graph: Graph) -> Arithmetic[str]:
    """Return operators that write nodes into a graph; a value is its name."""
    return _Nodes(graph)


def in_numpy() -> Arithmetic[Array]:
    """Return operators that numpy carries out: what a graph gives, to the bit, without onnxruntime."""
    return _Arrays()


class _Nodes:
    """Operators as nodes; a value is its name."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> str:
        return self._graph.constant(array, dtype)

    def apply(self, operator: Operator, *values: str) -> str:
        return self._graph.op(operator, *values)

    def root(self, value: str) -> str:
        return self._graph.op("Sqrt", value)

    def cast(self, value: str, dtype: npt.DTypeLike) -> str:
        return self._graph.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def gather(self, table: str, index: str, axis: int) -> str:
        return self._graph.op("Gather", table, index, axis=axis)

    def reshape(self, value: str, *dims: int) -> str:
        return self._graph.op("Reshape", value, self._graph.shape(*dims))

    def concat(self, values: Sequence[str], axis: int) -> str:
        return values[0] if len(values) == 1 else self._graph.op("Concat", *values, axis=axis)

    def argmax(self, value: str, axis: int) -> str:
        return self._graph.op("ArgMax", value, axis=axis, keepdims=1)

    def append_zero(self, value: str) -> str:
        return self._graph.op("Pad", value, self._graph.shape(0, 0, 0, 1), self.constant(0.0))


class _Arrays:
    """Operators as numpy has them."""

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> Array:
        return np.asarray(array, dtype)

    def apply(self, operator: Operator, *values: Array) -> Array:
        return np.asarray(_NUMPY[operator](*values))

    def root(self, value: Array) -> Array:
        return np.asarray(np.sqrt(value))

    def cast(self, value: Array, dtype: npt.DTypeLike) -> Array:
        return value.astype(dtype)

    def gather(self, table: Array, index: Array, axis: int) -> Array:
        return np.take(table, index, axis=axis)

    def reshape(self, value: Array, *dims: int) -> Array:
        return value.reshape(dims)

    def concat(self, values: Sequence[Array], axis: int) -> Array:
        return np.concatenate(values, axis)

    def argmax(self, value: Array, axis: int) -> Array:
        return np.asarray(value.argmax(axis=axis, keepdims=True))

    def append_zero(self, value: Array) -> Array:
        return np.pad(value, ((0, 0), (0, 1)))


_NUMPY: Mapping[Operator, np.ufunc] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Floor": np.floor,
    "Equal": np.equal,
}
