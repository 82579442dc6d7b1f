"""The JSON Schema files (draft 2020-12) that stand beside the dataclasses.

They state the same contract for tools that do not speak Python; a test holds both together. The runtime does
not read them when it serves: its own reader is stricter and needs no library.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Literal

__all__ = ["load_schema"]


def load_schema(contract: Literal["manifest", "feature_order"], version: int | None = None) -> dict[str, Any]:
    """Return the JSON Schema of a contract as a parsed JSON value.

    Args:
        contract: Which contract.
        version: Of its format; that of today if not given.

    Raises:
        FileNotFoundError: There was never such a version.
    """
    folder = resources.files(__package__)
    older = folder.joinpath(f"{contract}-{version}.schema.json")
    path = older if version is not None and older.is_file() else folder.joinpath(f"{contract}.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return schema
