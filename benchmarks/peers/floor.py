"""The floor: one onnxruntime session with one Identity node. No product; below it no session can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.peers.scorer import Rows, Scorer

__all__ = ["load", "prepare"]


def prepare(run: Path, folder: Path) -> None:
    """Write the graph."""
    from onnx import TensorProto, helper

    del run
    value = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "F"])
        for name in ("features", "probabilities")
    ]
    node = helper.make_node("Identity", ["features"], ["probabilities"])
    graph = helper.make_graph([node], "floor", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (folder / "floor.onnx").write_bytes(model.SerializeToString())


def load(folder: Path, threads: int) -> Scorer:
    """Open the session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / "floor.onnx", options, providers=["CPUExecutionProvider"])

    def run(rows: Rows) -> Any:
        return session.run(None, {"features": rows})[0]

    return Scorer(batch=run, row=lambda row: row, one=run)
