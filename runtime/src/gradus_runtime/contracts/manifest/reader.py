"""`manifest.json` read from bytes, or refused.

To change the format: add the field to `types` and to `manifest.schema.json`, its rules to `rules`, raise
`FORMAT_VERSION`, and add an artifact of the new version to `tests/compat/`.
"""

from __future__ import annotations

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.contracts.manifest import rules
from gradus_runtime.contracts.manifest.types import FORMAT_VERSION, Manifest
from gradus_runtime.errors import ManifestError

__all__ = ["parse"]


def parse(data: bytes, *, place: str = "manifest.json") -> Manifest:
    """Read a manifest, or refuse it.

    Raises:
        ManifestError: Oversize, not strict JSON, an unknown format version, a broken rule, or bytes that are
            not the canonical form of what they say.
    """
    value = strict_json.parse(data, place=place)
    version = value.get("format_version") if isinstance(value, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ManifestError(
            f"format_version must be {FORMAT_VERSION}",
            place=place,
            value=version,
            hint="A newer gradus-runtime may read it: pip install --upgrade gradus-runtime.",
        )
    manifest = codec.decode(Manifest, value, place=place)
    rules.check(manifest, place)
    if manifest.to_bytes() != data:
        raise ManifestError(
            "a manifest must be in its canonical form (sorted keys, two spaces, a final newline)",
            place=place,
            hint="Nothing but gradus should write it; publish the version again.",
        )
    return manifest
