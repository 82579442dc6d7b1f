"""Artifacts installed as wheels: found by the name of their distribution, served from their folder.

A wheel of an artifact has an entry point in the group `gradus.artifacts`, named as its distribution, whose
value is the package that holds the folder `artifact`. The package is located, not imported: opening runs none
of its code.
"""

from __future__ import annotations

import re

from gradus_runtime.errors import IntegrityError, StoreError

__all__ = ["FOLDER", "GROUP", "PREFIX", "locate", "may_be"]

GROUP = "gradus.artifacts"
PREFIX = "gradus-artifact-"
FOLDER = "artifact"
_PACKAGE = r"[a-z][a-z0-9_]*"


def may_be(source: str) -> bool:
    """Whether a source may be the name of an installed artifact: no path, and it begins as they do."""
    return "/" not in source and source.lower().startswith(PREFIX)


def locate(name: str) -> str:
    """Return the folder of an installed artifact.

    Args:
        name: The distribution, such as `gradus-artifact-btc-jpy`.

    Raises:
        StoreError: It is not installed.
        IntegrityError: It is, but registers no artifact.
    """
    from importlib.metadata import PackageNotFoundError, distribution  # most artifacts are not installed

    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise StoreError(
            "an artifact must be a store, a version's folder, an exported .zip, or an installed distribution",
            value=name,
            hint=f"If it should be installed: pip install {name}.",
        ) from None
    for entry in found.entry_points:
        if entry.group == GROUP and re.fullmatch(_PACKAGE, entry.value):
            return str(found.locate_file(f"{entry.value}/{FOLDER}"))
    raise IntegrityError(f"a distribution must have an entry point in {GROUP!r}", value=name)
