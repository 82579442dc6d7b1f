"""ONNX nodes and constants, each emitted once, named in the order of emission."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

__all__ = ["END", "Emitter"]

END = 2**62
"""The end of a Slice that goes to the last row."""


class Emitter:
    """Collects the nodes of a graph. Tensors are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], TensorProto] = {}
        self._made: dict[tuple[object, ...], list[str]] = {}
        self._count = 0

    def used(self, outputs: Sequence[str]) -> tuple[list[NodeProto], list[TensorProto]]:
        """The nodes and constants that these outputs need, in the order of emission."""
        asked, kept = set(outputs), []
        for node in reversed(self.nodes):
            if asked.intersection(node.output):
                kept.append(node)
                asked.update(node.input)
        return kept[::-1], [c for c in self._constants.values() if c.name in asked]

    def op(self, op: str, *inputs: str, **attributes: int | list[int] | str) -> str:
        """Emit an operator with one output, or return the output of an equal one."""
        return self._emit(op, inputs, 1, **attributes)[0]

    def split(self, x: str, sizes: Sequence[int]) -> list[str]:
        """Split along the first axis."""
        return self._emit("Split", (x, self.ints(list(sizes))), len(sizes), axis=0)

    def _emit(
        self, op: str, inputs: Sequence[str], outputs: int, **attributes: int | list[int] | str
    ) -> list[str]:
        key = (op, tuple(inputs), tuple(sorted((k, str(v)) for k, v in attributes.items())))
        if key not in self._made:
            names = [f"t{self._count + i}" for i in range(outputs)]
            self._count += outputs
            self._made[key] = names
            node = helper.make_node(op, list(inputs), names)
            node.attribute.extend(helper.make_attribute(k, v) for k, v in sorted(attributes.items()))
            self.nodes.append(node)
        return self._made[key]

    def named(self, op: str, *inputs: str, name: str) -> None:
        """Emit the operator that gives an output of the graph."""
        self.nodes.append(helper.make_node(op, list(inputs), [name]))

    # Constants

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """A constant tensor."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"c{len(self._constants)}")
        return self._constants[key].name

    def ints(self, value: npt.ArrayLike) -> str:
        """A constant of int64."""
        return self.constant(value, np.int64)

    def floats(self, value: npt.ArrayLike) -> str:
        """A constant of float64."""
        return self.constant(value, np.float64)

    def flags(self, value: npt.ArrayLike) -> str:
        """A constant of truth values."""
        return self.constant(value, np.bool_)

    # What occurs often

    def slice(self, x: str, start: int, end: int = END, axis: int = 0) -> str:
        """Rows `start` to `end`; counted from the end where negative."""
        if start == 0 and end == END:
            return x
        return self.op("Slice", x, self.ints([start]), self.ints([end]), self.ints([axis]))

    def cast(self, x: str, to: int) -> str:
        """Another type."""
        return self.op("Cast", x, to=to)

    def rows(self, x: str) -> str:
        """0, 1, 2, ... for the rows of a vector."""
        return self.op("Range", self.ints(0), self.op("Squeeze", self.op("Shape", x)), self.ints(1))

    def where_true(self, flags: str) -> str:
        """The indices of the rows that hold, int64 [K]."""
        return self.op("Reshape", self.op("NonZero", flags), self.ints([-1]))

    def count(self, flags: str) -> str:
        """How many rows hold, up to and including each, int64."""
        return self.op("CumSum", self.cast(flags, TensorProto.INT64), self.ints(0))

    def starts_of(self, start: str) -> str:
        """For each row the index of the row that its segment starts at; the first flag must hold."""
        number = self.op("Sub", self.count(start), self.ints(1))
        return self.op("Gather", self.where_true(start), number)

    def changes(self, x: str, equal: str | None = None) -> str:
        """Whether a row differs from the one before by anything but `equal` (default 0); the first does."""
        step = self.op("Sub", self.slice(x, 1), self.slice(x, 0, -1))
        same = self.op("Equal", step, self.ints(0) if equal is None else equal)
        return self.op("Concat", self.flags([True]), self.op("Not", same), axis=0)

    def all_of(self, flags: Sequence[str]) -> str:
        """Where all of these hold."""
        result = flags[0]
        for flag in flags[1:]:
            result = self.op("And", result, flag)
        return result

    def total(self, x: str, size: int) -> str:
        """Sum over the first axis of a tensor, halves onto halves: one order everywhere."""
        while size > 1:
            half, odd = divmod(size, 2)
            parts = self.split(x, [half, half, 1] if odd else [half, half])
            x = self.op("Add", parts[0], parts[1])
            if odd:
                x = self.op("Concat", x, parts[2], axis=0)
            size = half + odd
        return self.op("Squeeze", x, self.ints([0]))
