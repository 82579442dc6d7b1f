"""`feature_order.json`: features in order, by group; levels as lists of groups, best first.

The single source of truth for what a vector holds. Everything else (training, manifest, runtime, docs)
derives from it.

Format 2 gives a feature an `expression`, which `gradus train` compiles (docs/expressions.md), or a
`definition` in words where it comes from outside: a column of a table in training, a key of the mapping in
serving. Both kinds may stand in one file; a feature with an expression may have words as well. `terms` are
named sub-expressions, `daily` the daily series that the expressions use. Here expressions are text: what they
mean is checked by the compiler. Format 1 has definitions alone; with candles its features are the built-in
ones of these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradus_runtime.contracts import codec, names, strict_json
from gradus_runtime.errors import ConfigError
from gradus_runtime.records import dataclass, field

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMAT", "FORMAT_1", "Feature", "FeatureOrder", "Group", "LevelSpec", "load", "parse"]

FORMAT = "gradus-feature-order/2"
FORMAT_1 = "gradus-feature-order/1"
_RESERVED = (
    *("open", "high", "low", "close", "volume", "timestamp", "bar_number", "rows", "from_start"),
    *("daily_date", "daily_close", "features", "available"),
)


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the vector.

    Attributes:
        name: Of the column.
        group: That it belongs to.
        definition: In words; may be empty where there is an expression.
        expression: What it is computed by; None where it comes from outside.
    """

    name: str
    group: str
    definition: str = ""
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Features that come, and fail, together.

    Attributes:
        name: Of the group.
        features: In order.
        missing: `names.LEARNED`: rows may lack them, models learn from such rows. None: a level needs them.
    """

    name: str
    features: tuple[Feature, ...]
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A level: its name and its groups, whose features it needs in full unless they may be missing."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureOrder:
    """Groups in order and levels, best first.

    Invariants (checked on reading): names are unique; a level's groups exist and keep the groups' order;
    the first level has every group; each next level has fewer features; terms are not called like features.

    Attributes:
        groups: In the order of the vector.
        levels: Best first.
        terms: Named sub-expressions, by name.
        daily: Daily series that expressions may use.
        format: Of the file; files of format 1 have no expressions.
    """

    groups: tuple[Group, ...]
    levels: tuple[LevelSpec, ...]
    terms: Mapping[str, str] = field(default_factory=dict)
    daily: tuple[str, ...] = ()
    format: str = FORMAT

    @property
    def expressions(self) -> dict[str, str]:
        """Feature name to expression, in order, of the features that have one."""
        return {f.name: f.expression for f in self.features if f.expression is not None}

    @property
    def outside(self) -> tuple[str, ...]:
        """Names of the features that come from outside, in order."""
        return tuple(f.name for f in self.features if f.expression is None)

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

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the groups that rows may lack."""
        return tuple(g.name for g in self.groups if g.missing == names.LEARNED)

    def needed_features(self, name: str) -> tuple[str, ...]:
        """Feature names of a level that a row must have, in order."""
        groups = set(self.level(name).groups) - set(self.learned)
        return tuple(f.name for f in self.features if f.group in groups)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that `parse` reads back to an equal object."""
        value: dict[str, Any] = {
            "format": self.format,
            "groups": [_group_entry(g) for g in self.groups],
            "levels": [{"name": s.name, "groups": list(s.groups)} for s in self.levels],
        }
        if self.terms:
            value["terms"] = dict(self.terms)
        if self.daily:
            value["daily"] = list(self.daily)
        return value


def _group_entry(group: Group) -> dict[str, Any]:
    missing = {} if group.missing is None else {"missing": group.missing}
    return {"name": group.name, **missing, "features": [_entry(f) for f in group.features]}


def _entry(feature: Feature) -> dict[str, str]:
    words = {"definition": feature.definition}
    if feature.expression is None:
        return {"name": feature.name, **words}
    return {"name": feature.name, "expression": feature.expression, **(words if feature.definition else {})}


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
    top = _object(value, place, {"format", "groups", "levels"}, {"terms", "daily"})
    if top["format"] not in (FORMAT, FORMAT_1):
        raise ConfigError(
            f"format must be {FORMAT!r} or {FORMAT_1!r}", place=f"{place}: format", value=top["format"]
        )
    first = top["format"] == FORMAT_1
    for key in ("terms", "daily"):
        if first and key in top:
            raise ConfigError(f"{key} needs format {FORMAT!r}", place=f"{place}: {key}")
    groups = tuple(
        _group(g, f"{place}: groups[{i}]", first)
        for i, g in enumerate(_array(top["groups"], f"{place}: groups"))
    )
    levels = tuple(
        _level(s, f"{place}: levels[{i}]") for i, s in enumerate(_array(top["levels"], f"{place}: levels"))
    )
    terms = _terms(top.get("terms", {}), f"{place}: terms")
    daily = _series(top["daily"], f"{place}: daily") if "daily" in top else ()
    order = FeatureOrder(groups, levels, terms, daily, top["format"])
    _unique([g.name for g in groups], f"{place}: groups")
    _unique([*order.names, *terms], f"{place}: features and terms")
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
        if not order.needed_features(spec.name):
            raise ConfigError(
                "a level must have a group that rows may not lack", place=where, value=spec.groups
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


def _group(value: Any, place: str, first: bool) -> Group:
    item = _object(value, place, {"name", "features"}, set() if first else {"missing"})
    name = _name(item["name"], place)
    if "missing" in item and item["missing"] != names.LEARNED:
        raise ConfigError(
            f"missing must be {names.LEARNED!r}, or left out", place=f"{place}.missing", value=item["missing"]
        )
    entries = enumerate(_array(item["features"], f"{place}.features"))
    features = tuple(_feature(f, name, f"{place}.features[{i}]", first) for i, f in entries)
    return Group(name, features, item.get("missing"))


def _feature(value: Any, group: str, place: str, first: bool) -> Feature:
    required = {"name", "definition"} if first else {"name"}
    entry = _object(value, place, required, set() if first else {"definition", "expression"})
    if "definition" not in entry and "expression" not in entry:
        raise ConfigError(
            "key 'expression', or 'definition' for one from outside, must be present", place=place
        )
    definition = entry.get("definition", "")
    if not isinstance(definition, str):
        raise ConfigError("a definition must be text", place=place, value=definition)
    expression = entry.get("expression")
    if "expression" in entry and not (isinstance(expression, str) and expression.strip()):
        raise ConfigError("an expression must be text", place=place, value=expression)
    return Feature(_name(entry["name"], place), group, definition, expression)


def _terms(value: Any, place: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ConfigError("an object is needed", place=place, value=value)
    for name, expression in value.items():
        _name(name, place)
        if not isinstance(expression, str) or not expression.strip():
            raise ConfigError("an expression must be text", place=f"{place}.{name}", value=expression)
    return dict(value)


def _series(value: Any, place: str) -> tuple[str, ...]:
    series = [_name(name, place) for name in _array(value, place)]
    _unique(series, place)
    for name in series:
        if name in _RESERVED:
            raise ConfigError(
                "a daily series must not be called like an input of bars", place=place, value=name
            )
    return tuple(series)


def _level(value: Any, place: str) -> LevelSpec:
    item = _object(value, place, {"name", "groups"})
    groups = tuple(_name(g, f"{place}.groups") for g in _array(item["groups"], f"{place}.groups"))
    _unique(list(groups), f"{place}.groups")
    return LevelSpec(_name(item["name"], place), groups)


def _object(value: Any, place: str, required: set[str], optional: set[str] | None = None) -> dict[str, Any]:
    known = required | (optional or set())
    return codec.check_keys(value, sorted(required), known, place, ConfigError)


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
