"""What changed between two schemas, as those who send rows see it: compatible, extended, or breaking.

The rules, also in docs/validation.md:

* breaking: a feature was removed, renamed, reordered (among those both have), or changed its type or group;
  a level was removed, or needs a group it did not need; a class was removed or reordered.
* extended: features, groups, levels or classes were added at no cost to who sends the old rows; a level needs
  fewer groups.
* compatible: none of these. Definitions, training ranges and models may differ. Expressions and terms that
  changed are named: who sends rows is not concerned, who sends candles gets other values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gradus_runtime.contracts import feature_order, strict_json
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.contracts.features_graph import FeaturesGraph
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.contracts.manifest import parse as parse_manifest
from gradus_runtime.errors import ConfigError
from gradus_runtime.store import open_artifact

__all__ = ["Change", "SchemaDiff", "SchemaView", "compare_schemas", "load_schema_view"]

Verdict = Literal["compatible", "extended", "breaking"]
_RANK: Mapping[str, int] = {"compatible": 0, "extended": 1, "breaking": 2}


@dataclass(frozen=True, slots=True)
class SchemaView:
    """What rows depend on.

    Attributes:
        features: Name to (group, dtype), in order.
        levels: Level to its groups, best first.
        classes: In order; None where the file has none (a feature order).
        definitions: Name to definition; None where the file has none (a manifest).
        expressions: Features and terms to expressions; empty where there are none.
    """

    features: Mapping[str, tuple[str, str]]
    levels: Mapping[str, tuple[str, ...]]
    classes: tuple[str, ...] | None
    definitions: Mapping[str, str] | None
    expressions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its verdict, what kind it is, and a sentence."""

    verdict: Verdict
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """All changes, and the gravest verdict of them."""

    verdict: Verdict
    changes: tuple[Change, ...]

    def fails(self, limit: Verdict) -> bool:
        """Whether the verdict is as grave as `limit` or graver."""
        return _RANK[self.verdict] >= _RANK[limit]


def load_schema_view(source: str, version: str | None = None) -> SchemaView:
    """Read the schema of a feature order, a manifest, or any artifact.

    Args:
        source: A `feature_order.json`, a `manifest.json`, or what `open_artifact` takes.
        version: Which version of a store.

    Raises:
        GradusError: It cannot be read, or breaks its contract.
    """
    path = Path(source)
    if not path.is_file() or path.suffix != ".json":
        with open_artifact(source, version) as artifact:
            return _of_manifest(artifact.manifest)
    data = path.read_bytes()
    value = strict_json.parse(data, place=source, error=ConfigError)
    if isinstance(value, dict) and "format_version" in value:
        return _of_manifest(parse_manifest(data, place=source))
    return _of_order(feature_order.parse(value, place=source))


def _of_manifest(manifest: Manifest) -> SchemaView:
    return SchemaView(
        {f.name: (f.group, f.dtype) for f in manifest.features},
        {s.name: s.groups for s in manifest.levels},
        manifest.classes,
        None,
        _expressions(manifest.features_graph),
    )


def _expressions(graph: FeaturesGraph | None) -> dict[str, str]:
    if graph is None:
        return {}
    return {**graph.spec.terms, **{f.name: f.expression for f in graph.spec.features}}


def _of_order(order: FeatureOrder) -> SchemaView:
    return SchemaView(
        {f.name: (f.group, "float32") for f in order.features},
        {s.name: s.groups for s in order.levels},
        None,
        {f.name: f.definition for f in order.features},
        {**order.terms, **order.expressions},
    )


def compare_schemas(old: SchemaView, new: SchemaView) -> SchemaDiff:
    """Compare two schemas by the rules above."""
    changes = (
        *_features(old, new),
        *_levels(old, new),
        *_classes(old, new),
        *_changed_expressions(old, new),
    )
    verdict: Verdict = max((c.verdict for c in changes), key=lambda v: _RANK[v], default="compatible")
    return SchemaDiff(verdict, changes)


def _features(old: SchemaView, new: SchemaView) -> Iterator[Change]:
    removed = [n for n in old.features if n not in new.features]
    added = [n for n in new.features if n not in old.features]
    renamed = _renamed(old, new, removed, added)
    for before, after in renamed.items():
        yield Change("breaking", "renamed", f"feature {before} is now called {after}")
    for name in removed:
        if name not in renamed:
            yield Change("breaking", "removed", f"feature {name} is gone")
    for name in added:
        if name not in renamed.values():
            group = new.features[name][0]
            yield Change("extended", "added", f"feature {name} is new in group {group}")
    common = [n for n in old.features if n in new.features]
    order = [n for n in new.features if n in old.features]
    moved = next(((a, b) for a, b in zip(common, order, strict=True) if a != b), None)
    if moved is not None:
        yield Change("breaking", "reordered", f"the order changed: {moved[1]} stands where {moved[0]} stood")
    for name in common:
        for what, before, after in zip(
            ("group", "type"), old.features[name], new.features[name], strict=True
        ):
            if before != after:
                message = f"feature {name} was of {what} {before} and is of {what} {after}"
                yield Change("breaking", f"{what} changed", message)


def _changed_expressions(old: SchemaView, new: SchemaView) -> Iterator[Change]:
    for name in sorted(old.expressions.keys() & new.expressions.keys()):
        before, after = old.expressions[name], new.expressions[name]
        if before != after:
            yield Change("compatible", "expression changed", f"{name} was {before!r} and is {after!r}")
    common = old.features.keys() & new.features.keys()
    for name in sorted(common & (old.expressions.keys() ^ new.expressions.keys())):
        where = "comes from outside now" if name in old.expressions else "is computed from candles now"
        yield Change("compatible", "source changed", f"feature {name} {where}")


def _renamed(
    old: SchemaView, new: SchemaView, removed: Sequence[str], added: Sequence[str]
) -> dict[str, str]:
    """A removed and an added feature at one place of one group, with one definition if known."""

    def place(view: SchemaView, name: str) -> tuple[str, str, int]:
        group, dtype = view.features[name]
        return group, dtype, [n for n, (g, _) in view.features.items() if g == group].index(name)

    pairs: dict[str, str] = {}
    for before in removed:
        for after in added:
            same = True
            if old.definitions is not None and new.definitions is not None:
                same = old.definitions[before] == new.definitions[after]
            if same and place(old, before) == place(new, after) and after not in pairs.values():
                pairs[before] = after
                break
    return pairs


def _levels(old: SchemaView, new: SchemaView) -> Iterator[Change]:
    for name, groups in old.levels.items():
        if name not in new.levels:
            yield Change("breaking", "level removed", f"level {name} is gone")
            continue
        more = [g for g in new.levels[name] if g not in groups]
        less = [g for g in groups if g not in new.levels[name]]
        if more:
            yield Change("breaking", "level narrowed", f"level {name} now needs {', '.join(more)} as well")
        if less:
            yield Change("extended", "level widened", f"level {name} no longer needs {', '.join(less)}")
    for name in new.levels:
        if name not in old.levels:
            yield Change("extended", "level added", f"level {name} is new")
    kept = [n for n in old.levels if n in new.levels]
    if kept != [n for n in new.levels if n in old.levels]:
        yield Change("breaking", "levels reordered", "the levels stand in another order")


def _classes(old: SchemaView, new: SchemaView) -> Iterator[Change]:
    if old.classes is None or new.classes is None or old.classes == new.classes:
        return
    if new.classes[: len(old.classes)] == old.classes:
        added = ", ".join(new.classes[len(old.classes) :])
        yield Change("extended", "classes added", f"classes are new: {added}")
        return
    yield Change(
        "breaking",
        "classes changed",
        f"the classes were {', '.join(old.classes)} and are {', '.join(new.classes)}",
    )
