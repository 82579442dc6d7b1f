"""Where the large constants of a graph lie in its file."""

from __future__ import annotations

import onnx

from gradus_runtime.tables import LEAST_BYTES

__all__ = ["ALIGNMENT", "aligned_bytes"]

ALIGNMENT = 16
"""Bytes. What reads a file keeps it at such an address, and the widest of our numbers has eight."""

_TELLING = 2048
"""So many bytes tell a constant from what lies between it and the one before."""


def aligned_bytes(model: onnx.ModelProto) -> bytes:
    """Serialize a model, the same one always to the same bytes, with its large constants aligned.

    The runtime uses constants where they lie in the file, if they lie as the processor wants them; others it
    copies. A `doc_string` of spaces at the constant before makes up the difference.
    """
    data: bytes = model.SerializeToString(deterministic=True)
    at = 0
    for before, tensor in zip(model.graph.initializer, model.graph.initializer[1:], strict=False):
        size = len(tensor.raw_data)
        if size < LEAST_BYTES:
            continue
        start = tensor.raw_data[:_TELLING]
        at = data.index(start, at)
        if at % ALIGNMENT:
            before.doc_string = " " * ((-at - 2) % ALIGNMENT)  # its tag and length are two bytes more
            data = model.SerializeToString(deterministic=True)
            at = data.index(start, at)
        at += size
    return data
