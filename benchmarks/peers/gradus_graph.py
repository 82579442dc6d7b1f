"""The graph that gradus compiles, in a bare onnxruntime session that is opened as the runtime opens it.

It shows what is the encoding's and what is the runtime's; and its preparation is compilation alone, no proof.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.peers.scorer import Rows, Scorer
from gradus_runtime.sessions.onnx_session import OnnxSession, open_session

__all__ = ["load", "one_row", "prepare", "session"]

_FILE = "level.onnx"
_BLOCK = 88
"""Rows scored at once: larger blocks fall out of the processor's cache."""


def prepare(run: Path, folder: Path) -> None:
    """Read the members and compile them."""
    from benchmarks.peers import source
    from gradus_convert.forest.ir import Forest
    from gradus_convert.graphs import VotingMember, build_level
    from gradus_convert.readers import read_file

    members = []
    for member in source.members(run):
        forest = read_file(member.path, member.library).for_rows().lowered
        if not isinstance(forest, Forest):
            raise TypeError(f"{member.name} is not a forest")
        members.append(VotingMember(member.name, member.weight, forest, (0, 1, 2)))
    names = [f"feature_{i}" for i in range(forest.n_features)]
    graph = build_level(members, names, ("SELL", "HOLD", "BUY"), metadata={})
    (folder / _FILE).write_bytes(graph.model_bytes)


def load(folder: Path, threads: int) -> Scorer:
    """Open the session for single rows; that for batches is opened by the first."""
    del threads  # the compact encoding does not use them
    model = (folder / _FILE).read_bytes()
    single = session(model)
    width = single.session.get_inputs()[0].shape[1]
    classes = single.session.get_outputs()[0].shape[1]
    many: list[OnnxSession] = []

    def batch(rows: Rows) -> NDArray[np.float32]:
        if not many:
            many.append(open_session(model, "compact", 1))
        out = np.empty((len(rows), classes), np.float32)
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            (out[start : start + _BLOCK],) = many[0].session.run(["probabilities"], {"features": part})
        return out

    return Scorer(batch=batch, row=lambda row: row, one=one_row(single, width, classes))


def session(model: bytes) -> OnnxSession:
    """Open a session for single rows as the runtime does, without verifying or proving anything."""
    return open_session(model, "compact", 1, one_row=True)


def one_row(opened: OnnxSession, width: int, classes: int) -> Any:
    """Return a function of one row, float32 [1, F], that only runs the session, on fixed buffers."""
    row, out = np.zeros((1, width), np.float32), np.zeros((1, classes), np.float32)
    binding = opened.session.io_binding()
    binding.bind_ortvalue_input("features", onnxruntime.OrtValue.ortvalue_from_numpy(row))
    binding.bind_ortvalue_output("probabilities", onnxruntime.OrtValue.ortvalue_from_numpy(out))

    def run(given: Rows) -> NDArray[np.float32]:
        row[:] = given
        opened.session.run_with_iobinding(binding)
        return out

    return run
