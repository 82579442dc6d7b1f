"""SHA-256 without OpenSSL: `hashlib` would load it, 3.5 MB of memory, to save 3 ms a megabyte.

CPython's own implementation is `_sha2` from 3.12 on and `_sha256` before; an interpreter built without it has
`hashlib`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["sha256_hex"]


def _find() -> Callable[[bytes], Any]:
    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            found: Callable[[bytes], Any] = import_module(name).sha256
        except ImportError:
            continue
        return found
    raise ImportError("this Python has no SHA-256")


_sha256 = _find()


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    digits: str = _sha256(data).hexdigest()
    return digits
