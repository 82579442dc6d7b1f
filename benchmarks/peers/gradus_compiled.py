"""One model by itself, as `gradus_convert.compile` makes it, in a session with onnxruntime's defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.peers.scorer import Rows, Scorer, vote

__all__ = ["load", "prepare"]

_FILE = "compiled.onnx"


def prepare(run: Path, folder: Path) -> None:
    """Compile the member, by the rules of `encoding="auto"`, and prove it."""
    import gradus_convert
    from benchmarks.peers import source

    (member,) = source.members(run)
    gradus_convert.compile(member.path).save(folder / _FILE)


def load(folder: Path, threads: int) -> Scorer:
    """Open the session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    path = str(folder / _FILE)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def predict(rows: Rows) -> Any:
        return session.run(["probabilities"], {"features": rows})[0]

    return vote([(1.0, predict)])
