"""Which encoding serves a level best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from gradus_convert.graphs.members import Encoding
from gradus_convert.ir import Forest
from gradus_runtime.errors import UsageError

__all__ = ["choose"]


def choose(forests: Sequence[Forest], *, encoding: Encoding, threads: int) -> str:
    """Return "compact" or "treeops"; "none" where there are no trees."""
    if encoding not in get_args(Encoding):
        raise UsageError("encoding must be known", place="build_level(encoding)", value=encoding)
    if not forests:
        return "none"
    return "compact" if encoding == "auto" else encoding
