"""Where the large constants of a graph lie in its file."""

from __future__ import annotations

import onnx

from gradus_runtime.contracts.graph import LARGE_CONSTANT

__all__ = ["ALIGNMENT", "aligned_bytes"]

ALIGNMENT = 16
"""Bytes. What reads a file keeps it at such an address, and the widest of our numbers has eight."""

_TELLING = 2048
"""Bytes of a constant that are compared to locate it in the file, after its name."""


def aligned_bytes(model: onnx.ModelProto) -> bytes:
    """Serialize a model, the same one always to the same bytes, with its large constants aligned.

    The runtime uses constants where they lie in the file, if they lie as the processor wants them; others it
    copies. A `doc_string` of spaces at the constant before makes up the difference.
    """
    while True:
        data: bytes = model.SerializeToString(deterministic=True)
        if not _pad(model, data):
            return data


def _pad(model: onnx.ModelProto, data: bytes) -> bool:
    """Lengthen the texts before constants that lie badly in `data`; whether there were any.

    A text may make a length before it a byte longer, so look again: at most once for each such byte.
    """
    at = added = 0
    for before, tensor in zip(model.graph.initializer, model.graph.initializer[1:], strict=False):
        raw = tensor.raw_data
        if len(raw) < LARGE_CONSTANT:
            continue
        at = _position(tensor, data, at)
        missing = -(at + added) % ALIGNMENT
        if missing:
            header = 0 if before.HasField("doc_string") else 2  # the tag and the length of the text
            spaces = (missing - header) % ALIGNMENT
            before.doc_string += " " * spaces
            added += header + spaces
        at += len(raw)
    return added > 0


def _position(tensor: onnx.TensorProto, data: bytes, start: int) -> int:
    """Return where the bytes of a constant begin in a file.

    They are looked for with what is written before them, which holds the constant's name and so stands once:
    the bytes alone may be a part of something before (zeros among zeros).
    """
    after = onnx.TensorProto(doc_string=tensor.doc_string).ByteSize() if tensor.HasField("doc_string") else 0
    before: int = tensor.ByteSize() - after - len(tensor.raw_data)
    written: bytes = tensor.SerializeToString(deterministic=True)
    return data.index(written[: before + _TELLING], start) + before
