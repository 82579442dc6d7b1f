"""`manifest.json` read from bytes, or refused.

To change the format: add the field to `types` and to `manifest.schema.json`, its rules to `rules`, and what
it means in older formats to their `upgrade` functions (`format1`). A key that most artifacts do without goes
to `WHERE_GIVEN`: it is in the file only where it is not null. If the format of today was released, also
raise `FORMAT_VERSION`, write a module that upgrades the one before, keep that one's JSON Schema, and add an
artifact of the new format to `tests/compat/`. An upgraded manifest is a value only: its digest stays that of
its own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.contracts.manifest import format1, rules
from gradus_runtime.contracts.manifest.types import FORMAT_VERSION, WHERE_GIVEN, Manifest
from gradus_runtime.errors import ManifestError

__all__ = ["parse", "upgrade"]

_UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: format1.upgrade}


def parse(data: bytes, *, place: str = "manifest.json") -> Manifest:
    """Read a manifest of any format that was ever released, or refuse it.

    Args:
        data: The whole file.
        place: How errors name the file.

    Raises:
        ManifestError: Oversize, not strict JSON, an unknown format version, a broken rule, or bytes that are
            not the canonical form of what they say.
    """
    value = strict_json.parse(data, place=place)
    current = upgrade(value, place=place)
    manifest = codec.decode(Manifest, current, place=place)
    rules.check(manifest, place)
    # The second comparison finds what the codec accepts and no writer writes: 1 for 1.0, null for nothing.
    own_form = strict_json.canonical_bytes(value) == data
    given = {key: item for key, item in current.items() if key in value or key not in WHERE_GIVEN}
    if not (own_form and strict_json.same(manifest.value(), given)):
        raise ManifestError(
            "a manifest must be in its canonical form (sorted keys, two spaces, a final newline)",
            place=place,
            hint="Nothing but gradus should write it; publish the version again.",
        )
    return manifest


def upgrade(value: Any, *, place: str) -> dict[str, Any]:
    """Return the JSON value of a manifest in the format of today.

    Args:
        value: As `strict_json.parse` returns it.
        place: How errors name the file.

    Raises:
        ManifestError: Its `format_version` is none of those that this version of gradus reads.
    """
    version = value.get("format_version") if isinstance(value, dict) else None
    if type(version) is int and version == FORMAT_VERSION:
        return {**dict.fromkeys(WHERE_GIVEN), **value}
    if type(version) is int and version in _UPGRADES:
        return {**dict.fromkeys(WHERE_GIVEN), **_UPGRADES[version](value)}
    newer = type(version) is int and version > FORMAT_VERSION
    raise ManifestError(
        f"format_version must be 1 to {FORMAT_VERSION}",
        place=place,
        value=version,
        hint="This format is newer: install a newer gradus-runtime." if newer else None,
    )
