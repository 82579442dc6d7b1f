"""onnxruntime's telemetry, switched off before onnxruntime is imported.

From 1.29 on, onnxruntime on Linux and macOS starts a thread when it is imported, writes a device identifier
and a database below the home folder, and looks up a host (https://github.com/microsoft/onnxruntime/pull/27379).
The environment variable is read once, at that import. This module is imported with `gradus_runtime` itself.
"""

from __future__ import annotations

import os
import sys

__all__ = ["VARIABLE", "telemetry_problem"]

VARIABLE = "ORT_DISABLE_TELEMETRY"

_CAME_FIRST = "onnxruntime" in sys.modules
_CHOSEN = VARIABLE in os.environ

os.environ.setdefault(VARIABLE, "1")


def telemetry_problem(
    release: tuple[int, ...], *, came_first: bool = _CAME_FIRST, chosen: bool = _CHOSEN
) -> str | None:
    """Say that onnxruntime's telemetry could not be switched off; None if it is off, or the user's choice.

    Args:
        release: Version of onnxruntime, as numbers.
        came_first: Whether onnxruntime was imported before this package.
        chosen: Whether the environment held the variable before this package was imported.
    """
    if chosen or not came_first or release < (1, 29):
        return None
    return (
        "onnxruntime was imported before gradus_runtime, so its telemetry may be on: "
        f"import gradus_runtime first, or set {VARIABLE}=1 in the environment"
    )
