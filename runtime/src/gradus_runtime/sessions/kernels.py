"""The native kernel of the distribution `gradus-kernels`, where one is installed.

It is a library of onnxruntime's custom operators and holds no Python module. What the distribution's RECORD
says is read as the file that it is: `importlib.metadata` would take 4 MB of memory for the same line.

Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import binascii
import os
import sys
from typing import Literal, get_args

from gradus_runtime.contracts.digest import sha256_hex
from gradus_runtime.errors import EnvironmentFailedError, let_signals_through
from gradus_runtime.records import dataclass

__all__ = ["KERNELS", "Kernel", "Kernels", "find_kernel"]

Kernels = Literal["auto", "off", "require"]
KERNELS: tuple[str, ...] = get_args(Kernels)

DISTRIBUTION = "gradus_kernels"
_BEGIN, _END = f"{DISTRIBUTION}-", ".dist-info"
_SUFFIXES = (".so", ".dylib", ".dll")
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Kernel:
    """An installed library: where it is, and the version of its distribution."""

    path: str
    version: str


def find_kernel() -> Kernel | None:
    """Return the installed kernel, proved against the distribution's RECORD; None where none is installed.

    Raises:
        EnvironmentFailedError: One is installed, and its library is not what RECORD says.
    """
    for entry in sys.path:
        for info in _infos(entry or "."):
            return _library(info)
    return None


def _infos(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError as e:
        let_signals_through(e)
        return []  # an entry that cannot be read holds nothing that could be imported either
    found = [name for name in names if name.startswith(_BEGIN) and name.endswith(_END)]
    return [os.path.join(folder, name) for name in sorted(found)]


def _library(info: str) -> Kernel:
    place = os.path.join(info, "RECORD")
    try:
        with open(place, encoding="utf-8") as file:
            rows = [line.rsplit(",", 2) for line in file.read().splitlines()]
    except (OSError, ValueError) as e:
        let_signals_through(e)
        raise EnvironmentFailedError("RECORD must be readable", place=place, cause=str(e)) from None
    libraries = [row for row in rows if len(row) == 3 and row[0].endswith(_SUFFIXES)]
    if len(libraries) != 1:
        found = [row[0] for row in libraries]
        raise EnvironmentFailedError("RECORD must list one library", place=place, value=found)
    ((name, digest, _),) = libraries
    folder, distribution = os.path.split(info)
    path = os.path.join(folder, name)
    try:
        if os.stat(path).st_size > _MOST_BYTES:
            raise EnvironmentFailedError("a library must have at most 16 MiB", place=path)
        with open(path, "rb") as library:
            data = library.read()
    except OSError as e:
        let_signals_through(e)
        raise EnvironmentFailedError("the library must be readable", place=path, cause=str(e)) from None
    seen = _url_safe(sha256_hex(data))
    if digest != f"sha256={seen}":
        raise EnvironmentFailedError(
            "the library must be the one that RECORD names",
            place=path,
            value=f"sha256={seen}",
            hint="Reinstall gradus-kernels.",
        )
    return Kernel(os.path.realpath(path), distribution.removeprefix(_BEGIN).removesuffix(_END))


def _url_safe(digest: str) -> str:
    """Write hexadecimal digits as RECORD does: base64 of the other alphabet, without padding."""
    text = binascii.b2a_base64(bytes.fromhex(digest), newline=False).decode()
    return text.rstrip("=").replace("+", "-").replace("/", "_")
