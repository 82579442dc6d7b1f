"""The JSON Schema files (draft 2020-12) that stand beside the dataclasses.

They state the same contract for tools that do not speak Python; a test holds both together. The runtime does
not read them when it serves: its own reader is stricter and needs no library.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Literal

__all__ = ["load_schema"]


def load_schema(contract: Literal["manifest", "feature_order"]) -> dict[str, Any]:
    """Return the JSON Schema of a contract as a parsed JSON value."""
    text = resources.files(__package__).joinpath(f"{contract}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
