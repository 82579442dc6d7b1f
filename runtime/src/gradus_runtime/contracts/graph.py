"""The contract of a level's graph: its input, its outputs, and what `metadata_props` says of it.

* `features`, float32 [N, F]: the level's features, in the order of the manifest; no NaN, no infinity.
* `probabilities`, float32 [N, C]: in the order of the classes.
* `label`, int64 [N]: the index of the largest probability, the first one in a tie.

A graph may choose by `If` between a branch named `ONE_ROW`, for N = 1, and one for any N. The choice may
stand in the body of a function of the file, `TREE_WALK` of the domain `WALK_DOMAIN`, whose call uses the
names of the body.
"""

from __future__ import annotations

from collections.abc import Mapping

from gradus_runtime.contracts.manifest import Level, Manifest

__all__ = [
    "ARTIFACT_KEY",
    "INPUT",
    "LABEL",
    "LARGE_CONSTANT",
    "LEVEL_KEY",
    "ONE_ROW",
    "PROBABILITIES",
    "SCHEMA_KEY",
    "TREE_WALK",
    "VERSION_KEY",
    "WALK_DOMAIN",
    "expected_metadata",
]

INPUT = "features"
PROBABILITIES = "probabilities"
LABEL = "label"
ONE_ROW = "one_row"

WALK_DOMAIN, TREE_WALK = "gradus", "TreeWalk1"
"""A function so called has the meaning that `gradus_convert.graphs.tree_walk` states, and never another."""

LARGE_CONSTANT = 4096
"""Bytes. A constant of at least this size is used where it lies in the file, so the converter aligns it."""

SCHEMA_KEY = "gradus.schema"
ARTIFACT_KEY = "gradus.artifact"
VERSION_KEY = "gradus.version"
LEVEL_KEY = "gradus.level"


def expected_metadata(manifest: Manifest, level: Level) -> Mapping[str, str]:
    """Return what `metadata_props` of a level's graph must hold (it may hold more)."""
    return {
        SCHEMA_KEY: manifest.schema_hash(),
        ARTIFACT_KEY: manifest.name,
        VERSION_KEY: manifest.version,
        LEVEL_KEY: level.name,
    }
