"""Verified bytes handed to onnxruntime without a second copy in the process.

onnxruntime parses a graph from a path or from bytes. From bytes, they stay in the process beside all that
parsing allocates; from the artifact's path, the file could change between verification and parsing. A sealed
file in memory (`memfd_create(2)`, `F_SEAL_WRITE` of `fcntl(2)`) is neither: nobody can change it, and its
pages are not the process's.
"""

from __future__ import annotations

import fcntl
import os
from types import TracebackType
from typing import Self

__all__ = ["SealedModel"]


class SealedModel:
    """The bytes of a graph, for `onnxruntime.InferenceSession(model.source)`; close it afterwards.

    Where the system has no sealed files, `source` is the bytes themselves.

    Args:
        data: The bytes, verified. Drop every other reference to them before parsing.
    """

    __slots__ = ("_descriptor", "source")

    def __init__(self, data: bytes) -> None:
        self._descriptor = _sealed(data)
        self.source: str | bytes = data if self._descriptor is None else f"/proc/self/fd/{self._descriptor}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self.source = b""


def _sealed(data: bytes) -> int | None:
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("gradus-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:  # the kernel or a sandbox has none: the bytes will do
        return None
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        if not os.path.exists(f"/proc/self/fd/{descriptor}"):  # noqa: PTH110  a number, no path of ours
            raise OSError("there is no /proc")
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
