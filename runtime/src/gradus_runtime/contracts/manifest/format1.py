"""Format 1 of `manifest.json`, as a value of the format of today.

What format 1 does not state is: the bits of a level, which are close and not exact; the error against sums in
float64, which is unknown.
"""

from __future__ import annotations

from typing import Any

from gradus_runtime.contracts.manifest.types import CLOSE, FORMAT_VERSION

__all__ = ["upgrade"]


def upgrade(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value of today's format that means what `value` means; what is malformed stays so.

    Args:
        value: The JSON value of a manifest of format 1; it is not changed.
    """
    new = {**value, "format_version": FORMAT_VERSION}
    levels = value.get("levels")
    if isinstance(levels, list):
        new["levels"] = [_level(level) for level in levels]
    return new


def _level(level: Any) -> Any:
    if not isinstance(level, dict):
        return level
    new = {"bits": CLOSE, **level}
    if isinstance(level.get("parity"), dict):
        new["parity"] = {"max_error": None, **level["parity"]}
    return new
