"""`feature_order.json`: features in order, by group; levels as lists of groups, best first.

The single source of truth for what a vector holds. Everything else (training, manifest, runtime, docs)
derives from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import names, strict_json
from gradus_runtime.errors import ConfigError

__all__ = ["FORMAT", "Feature", "FeatureOrder", "Group", "LevelSpec", "load", "parse"]

FORMAT = "gradus-feature-order/1"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the vector: its name, its group, and its definition in words."""

    name: str
    group: str
    definition: str


@dataclass(frozen=True, slots=True)
class Group:
    """Features that come, and fail, together."""

    name: str
    features: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A level: its name and the groups whose features it needs in full."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureOrder:
    """Groups in order and levels, best first.

    Invariants (checked on reading): names are unique; a level's groups exist and keep the groups' order;
    the first level has every group; each next level has fewer features.
    """

    groups: tuple[Group, ...]
    levels: tuple[LevelSpec, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features, in the order of the full vector."""
        return tuple(f for g in self.groups for f in g.features)

    @property
    def names(self) -> tuple[str, ...]:
        """All feature names, in the order of the full vector."""
        return tuple(f.name for f in self.features)

    def level(self, name: str) -> LevelSpec:
        """Return the level of this name.

        Raises:
            ConfigError: There is none.
        """
        for spec in self.levels:
            if spec.name == name:
                return spec
        known = ", ".join(s.name for s in self.levels)
        raise ConfigError("a level must be defined", place="levels", value=name, hint=f"Choose from {known}.")

    def level_features(self, name: str) -> tuple[str, ...]:
        """Feature names of a level, in order."""
        groups = set(self.level(name).groups)
        return tuple(f.name for f in self.features if f.group in groups)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that `parse` reads back to an equal object."""
        return {
            "format": FORMAT,
            "groups": [
                {
                    "name": g.name,
                    "features": [{"name": f.name, "definition": f.definition} for f in g.features],
                }
                for g in self.groups
            ],
            "levels": [{"name": s.name, "groups": list(s.groups)} for s in self.levels],
        }


def load(path: Path) -> FeatureOrder:
    """Read and check a `feature_order.json`.

    Raises:
        ConfigError: The file is missing or breaks a rule.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ConfigError("a feature order must be readable", place=str(path), cause=e.strerror) from None
    return parse(strict_json.parse(data, place=str(path), error=ConfigError), place=str(path))


def parse(value: Any, *, place: str) -> FeatureOrder:
    """Check a parsed JSON value and return the feature order.

    Raises:
        ConfigError: A rule is broken; the message names the key path.
    """
    top = _object(value, place, {"format", "groups", "levels"})
    if top["format"] != FORMAT:
        raise ConfigError(f"format must be {FORMAT!r}", place=f"{place}: format", value=top["format"])
    groups = tuple(
        _group(g, f"{place}: groups[{i}]") for i, g in enumerate(_array(top["groups"], f"{place}: groups"))
    )
    levels = tuple(
        _level(s, f"{place}: levels[{i}]") for i, s in enumerate(_array(top["levels"], f"{place}: levels"))
    )
    order = FeatureOrder(groups, levels)
    _unique([g.name for g in groups], f"{place}: groups")
    _unique(list(order.names), f"{place}: features")
    _unique([s.name for s in levels], f"{place}: levels")
    group_names = [g.name for g in groups]
    width: int | None = None
    for i, spec in enumerate(levels):
        where = f"{place}: levels[{i}].groups"
        for name in spec.groups:
            if name not in group_names:
                raise ConfigError("a level's groups must be defined", place=where, value=name)
        if list(spec.groups) != [g for g in group_names if g in spec.groups]:
            raise ConfigError(
                "a level's groups must keep the order of groups", place=where, value=spec.groups
            )
        count = len(order.level_features(spec.name))
        if width is None and count != len(order.names):
            raise ConfigError("the first level must have every group", place=where, value=spec.groups)
        if width is not None and count >= width:
            raise ConfigError(
                "each level must have fewer features than the one before", place=where, value=count
            )
        width = count
    return order


def _group(value: Any, place: str) -> Group:
    item = _object(value, place, {"name", "features"})
    name = _name(item["name"], place)
    features = []
    for i, f in enumerate(_array(item["features"], f"{place}.features")):
        where = f"{place}.features[{i}]"
        entry = _object(f, where, {"name", "definition"})
        if not isinstance(entry["definition"], str):
            raise ConfigError("a definition must be text", place=where, value=entry["definition"])
        features.append(Feature(_name(entry["name"], where), name, entry["definition"]))
    return Group(name, tuple(features))


def _level(value: Any, place: str) -> LevelSpec:
    item = _object(value, place, {"name", "groups"})
    groups = tuple(_name(g, f"{place}.groups") for g in _array(item["groups"], f"{place}.groups"))
    _unique(list(groups), f"{place}.groups")
    return LevelSpec(_name(item["name"], place), groups)


def _object(value: Any, place: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError("an object is needed", place=place, value=value)
    for key in sorted(keys - value.keys()):
        raise ConfigError(f"key {key!r} must be present", place=place)
    for key in sorted(value.keys() - keys):
        raise ConfigError(
            "a key must be known", place=place, value=key, hint=f"Known: {', '.join(sorted(keys))}."
        )
    return value


def _array(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ConfigError("a list with at least one entry is needed", place=place, value=value)
    return value


def _name(value: Any, place: str) -> str:
    if not isinstance(value, str) or not names.is_identifier(value):
        raise ConfigError(
            "a name must start with a letter or _ and hold letters, digits, _ . - only",
            place=place,
            value=value,
        )
    return value


def _unique(names: list[str], place: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError("a name must occur once", place=place, value=name)
        seen.add(name)
