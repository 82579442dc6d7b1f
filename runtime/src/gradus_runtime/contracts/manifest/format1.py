"""Format 1 of `manifest.json`, as a value of the format of today.

What format 1 does not state is: what training found, so that all levels serve in the order of the file; the
bits of a level, which are close and not exact; the error against sums in float64, which is unknown; members
that were left out. Imports wrote the beginning of 1970 where they did not know when the data started or
ended.
"""

from __future__ import annotations

from typing import Any

from gradus_runtime.contracts.manifest.types import CLOSE, FORMAT_VERSION

__all__ = ["upgrade"]

_FOUND = ("label", "costs", "gates", "verdict", "measured", "shipped", "features_graph")
_UNKNOWN = "1970-01-01T00:00:00Z"


def upgrade(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value of today's format that means what `value` means; what is malformed stays so.

    Args:
        value: The JSON value of a manifest of format 1; it is not changed.
    """
    nothing = dict.fromkeys(_FOUND)
    new = {"members_dropped": None, **nothing, **value, "format_version": FORMAT_VERSION}
    levels = value.get("levels")
    if isinstance(levels, list):
        names = [level.get("name") for level in levels if isinstance(level, dict)]
        new["order_of_service"] = {"kind": "declared", "levels": names, "others": [], "proofs": []}
        new["levels"] = [_level(level) for level in levels]
    provenance, decision = value.get("provenance"), value.get("decision")
    if isinstance(provenance, dict) and isinstance(decision, dict):
        expires = decision.get("max_age_days") is not None
        unknown = [k for k in ("data_start", "data_end") if provenance.get(k) == _UNKNOWN]
        new["provenance"] = provenance | {k: None for k in unknown if k == "data_start" or not expires}
    return new


def _level(level: Any) -> Any:
    if not isinstance(level, dict):
        return level
    new = {"bits": CLOSE, **level}
    if isinstance(level.get("parity"), dict):
        new["parity"] = {"max_error": None, **level["parity"]}
    return new
