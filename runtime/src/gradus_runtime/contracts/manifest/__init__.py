"""`manifest.json`: the contract between who publishes an artifact and who serves it.

`types` are its dataclasses, `rules` what must hold beyond the types, `reader` reads the bytes.
"""

from gradus_runtime.contracts.manifest.reader import parse
from gradus_runtime.contracts.manifest.types import (
    FORMAT_VERSION,
    DecisionPolicy,
    FeatureSpec,
    FileEntry,
    Golden,
    Histogram,
    Level,
    Manifest,
    Member,
    Parity,
    Provenance,
    RuntimeRequirement,
)

__all__ = [
    "FORMAT_VERSION",
    "DecisionPolicy",
    "FeatureSpec",
    "FileEntry",
    "Golden",
    "Histogram",
    "Level",
    "Manifest",
    "Member",
    "Parity",
    "Provenance",
    "RuntimeRequirement",
    "parse",
]
