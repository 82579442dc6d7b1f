"""The best level of a run folder, as peers read it when they prepare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

__all__ = ["Member", "forest", "members"]


@dataclass(frozen=True, slots=True)
class Member:
    """A member: its name, library ("lightgbm", "xgboost", "sklearn"), weight, and native file."""

    name: str
    library: str
    weight: float
    path: Path


def members(run: Path) -> list[Member]:
    """Return the members of the best level.

    The metadata is read as plain JSON, because an environment of peers has no gradus in it.
    """
    value: Any = json.loads((run / "training_metadata.json").read_text())["run"]["levels"][0]
    return [Member(m["name"], m["library"], m["weight"], run / m["file"]) for m in value["members"]]


def forest(path: Path) -> RandomForestClassifier:
    """Return the scikit-learn model of a .skops file that this project has just written."""
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
