"""Compare two versions: what their manifests say, and what they answer on the same rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gradus_runtime import Predictions
from gradus_runtime.contracts.manifest import Level, Manifest, period
from gradus_runtime.wording import counted, plural

__all__ = ["SECTIONS", "Answers", "Difference", "compare_answers", "compare_versions"]

SECTIONS = ("schema", "levels", "members", "metrics", "size", "data", "decision")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: its section, its place, how it is before and after; None where it is not."""

    section: str
    place: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Answers:
    """How two versions answer the same rows.

    `changed` counts rows with another action, `levels_changed` with another level; `moves` counts changed
    rows by "BEFORE to AFTER". Of confidences, `mean_change` is after less before; `mean_move` and
    `largest_move` are of the absolute change.
    """

    rows: int
    changed: int
    levels_changed: int
    moves: Mapping[str, int]
    mean_change: float
    mean_move: float
    largest_move: float


def compare_versions(before: Manifest, after: Manifest) -> tuple[Difference, ...]:
    """Return what differs between two manifests, in the order of `SECTIONS`."""
    found = []
    for section in SECTIONS:
        one, other = dict(_facts(before, section)), dict(_facts(after, section))
        for place in dict.fromkeys((*one, *other)):
            if one.get(place) != other.get(place):
                found.append(Difference(section, place, one.get(place), other.get(place)))
    return tuple(found)


def _facts(m: Manifest, section: str) -> Iterator[tuple[str, str]]:
    """What a manifest says in a section: places and values, in order."""
    if section == "schema":
        yield "classes", ", ".join(m.classes)
        yield (
            "order",
            f"{counted(len(m.features), 'feature')}, schema {m.schema_hash()[:12]}",
        )
        yield from ((f"feature {f.name}", f"{f.dtype} in {f.group}") for f in m.features)
    elif section == "size":
        yield "artifact", str(sum(f.size for f in m.files))
        yield from ((f.name, str(f.size)) for f in m.files)
    elif section == "data":
        p = m.provenance
        yield "range", period(p.data_start, p.data_end)
        yield "rows", str(p.rows)
        yield "digest", p.data_sha256[:12]
        yield "simulated", str(p.simulated)
        yield "configuration", p.config_sha256[:12]
        yield from ((f"library {name}", version) for name, version in p.libraries.items())
    elif section == "decision":
        d = m.decision
        yield "policy", "argmax" if m.policy is None else f"{m.policy.kind}: {m.policy.sentence}"
        yield "confidence threshold", f"{d.confidence_threshold:g}"
        yield "fallback", f"{d.fallback_action} at {d.fallback_confidence:g}"
        yield "fallback probabilities", ", ".join(f"{p:g}" for p in d.fallback_probabilities)
        yield (
            "age limit",
            "none" if d.max_age_days is None else f"{d.max_age_days:g} {plural(d.max_age_days, 'day')}",
        )
    else:
        for level in m.levels:
            yield from _level_facts(m, level, section)


def _level_facts(m: Manifest, level: Level, section: str) -> Iterator[tuple[str, str]]:
    if section == "levels":
        groups = ", ".join(level.groups)
        count = len(m.level_features(level))
        text = f"{counted(count, 'feature')} of {groups}; {level.encoding}, {level.vote} vote"
        yield level.name, text
    elif section == "members":
        for x in level.members:
            trees = f"{counted(x.trees, 'tree')}, {counted(x.nodes, 'node')}"
            text = f"{x.library}, weight {x.weight:g}, {trees}"
            yield f"{level.name} {x.name}", text
    else:
        yield from ((f"{level.name} {name}", f"{value:.6g}") for name, value in sorted(level.metrics.items()))


def compare_answers(before: Predictions, after: Predictions) -> Answers:
    """Compare the answers of two versions to the same rows."""
    changed = before.actions != after.actions
    pairs = zip(before.actions[changed].tolist(), after.actions[changed].tolist(), strict=True)
    moves = Counter(f"{a} to {b}" for a, b in pairs)
    change = after.confidences.astype(np.float64) - before.confidences.astype(np.float64)
    rows = len(change)
    return Answers(
        rows=rows,
        changed=int(changed.sum()),
        levels_changed=int((before.levels != after.levels).sum()),
        moves=dict(sorted(moves.items())),
        mean_change=math.fsum(change) / rows if rows else 0.0,
        mean_move=math.fsum(abs(change)) / rows if rows else 0.0,
        largest_move=float(abs(change).max(initial=0.0)),
    )
