"""Large constants lie at multiples of the alignment, whatever stands before them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from gradus_convert.graphs.alignment import ALIGNMENT, aligned_bytes
from gradus_runtime.sessions.shared_constants import take_apart


def model(before: int, name: str) -> onnx.ModelProto:
    """A graph with a constant of `before` bytes and two large ones, the first of them with this name."""
    tables = {"b": np.zeros(before, np.uint8), name: np.arange(1100.0), "z": np.arange(1030, dtype=np.int32)}
    tables[name] = tables[name].astype(np.float32)
    constants = [numpy_helper.from_array(values, key) for key, values in tables.items()]
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1100])
    node = helper.make_node("Identity", [name], ["y"])
    return helper.make_model(helper.make_graph([node], "g", [], [output], constants))


@pytest.mark.parametrize("before", [0, 1, 2, 3, *range(96, 130), 16_300, 16_370])
def test_every_large_constant_is_aligned_and_nothing_else_changes(before: int) -> None:
    for length in range(1, 18):
        original = model(before, "n" * length)
        data = aligned_bytes(original)
        assert data == aligned_bytes(model(before, "n" * length))
        start = np.frombuffer(data, np.uint8).ctypes.data
        tables = take_apart(data, "x").tables
        large = {"n" * length, "z"} | ({"b"} if before >= 4096 else set())
        assert tables.keys() == large
        assert all((tables[k].ctypes.data - start) % ALIGNMENT == 0 for k in large - {"b"})
        aligned = onnx.load_model_from_string(data)
        for tensor in aligned.graph.initializer:
            tensor.ClearField("doc_string")
        assert aligned == model(before, "n" * length)


@pytest.mark.parametrize("before", [1, 3000, 4095])
def test_a_constant_is_found_where_what_stands_before_begins_alike(before: int) -> None:
    zeros = {
        "a": np.zeros(before, np.uint8),
        "b": np.zeros(1500, np.float32),
        "c": np.zeros(1501, np.float32),
    }
    constants = [numpy_helper.from_array(values, key) for key, values in zeros.items()]
    graph = helper.make_graph([], "g", [], [], constants)
    data = aligned_bytes(helper.make_model(graph))
    start = np.frombuffer(data, np.uint8).ctypes.data
    tables = take_apart(data, "x").tables
    assert {(table.ctypes.data - start) % ALIGNMENT for table in map(tables.get, "bc")} == {0}
