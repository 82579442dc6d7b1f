"""What must hold in a manifest beyond its types. One function a part; each message names its key path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

from gradus_runtime.contracts import features_graph, names
from gradus_runtime.contracts.manifest.judgement import META, NO_TRADE
from gradus_runtime.contracts.manifest.judgement_rules import (
    check_drift,
    check_judgement,
    check_order,
    check_policy,
)
from gradus_runtime.contracts.manifest.need import Need
from gradus_runtime.contracts.manifest.types import CLOSE, EXACT, FeatureSpec, Level, Manifest
from gradus_runtime.errors import ManifestError, let_signals_through

__all__ = [
    "MAX_AGE_DAYS",
    "MAX_FEATURES",
    "MAX_FILE_BYTES",
    "MAX_TOTAL_BYTES",
    "SUM_TOLERANCE",
    "check",
    "problems",
]

MAX_FEATURES = 4096
MAX_CLASSES = 64
MAX_AGE_DAYS = 36525
MAX_LEVELS = 16
MAX_GOLDEN_ROWS = 1 << 16
MAX_FILE_BYTES = 256 << 20
MAX_TOTAL_BYTES = 512 << 20
SUM_TOLERANCE = 1e-6
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def check(manifest: Manifest, place: str) -> None:
    """Check every rule.

    Args:
        manifest: As decoded; its types hold.
        place: How errors name the file.

    Raises:
        ManifestError: A rule is broken; the message names rule, key path and value.
    """
    for part in _parts():
        part(manifest, Need(place))


def problems(manifest: Manifest, place: str) -> tuple[ManifestError, ...]:
    """Return what breaks a rule: the first of each part of the manifest, so that one run shows most.

    Args:
        manifest: As decoded; its types hold.
        place: How errors name the file.
    """
    found = []
    for part in _parts():
        try:
            part(manifest, Need(place))
        except ManifestError as e:
            let_signals_through(e)
            found.append(e)
    return tuple(found)


def _parts() -> tuple[Callable[[Manifest, Need], None], ...]:
    return (
        _identity,
        _decision,
        _features,
        _levels,
        _golden,
        _files,
        _provenance,
        _runtime,
        _aliases,
        _dropped,
        check_order,
        check_judgement,
        check_drift,
        check_policy,
        _guard,
        _missing,
        _features_graph,
    )


def _identity(m: Manifest, need: Need) -> None:
    rule = "an artifact's name must be lower-case words and digits joined by single hyphens, at most 64"
    need(names.is_artifact_name(m.name), rule, "name", m.name)
    names.parse_version(m.version, place=f"{need.place}.version", error=ManifestError)
    need(
        2 <= len(m.classes) <= MAX_CLASSES, f"there must be 2 to {MAX_CLASSES} classes", "classes", m.classes
    )
    for i, name in enumerate(m.classes):
        need.text(name, f"classes[{i}]", 64)
    need.unique(m.classes, "a class", "classes")


def _decision(m: Manifest, need: Need) -> None:
    d = m.decision
    for key, value in (
        ("confidence_threshold", d.confidence_threshold),
        ("fallback_confidence", d.fallback_confidence),
    ):
        need(0.0 <= value <= 1.0, "a confidence must lie in [0, 1]", f"decision.{key}", value)
    known, rule = m.classes, "the fallback action must be a class"
    if m.label is not None and m.label.kind == META:
        known, rule = (
            (m.classes[0], NO_TRADE),
            f"the fallback action must be {m.classes[0]!r} or {NO_TRADE!r}",
        )
    need(
        d.fallback_action in known,
        rule,
        "decision.fallback_action",
        d.fallback_action,
    )
    p, path = d.fallback_probabilities, "decision.fallback_probabilities"
    need(len(p) == len(m.classes), f"there must be {len(m.classes)} probabilities, one a class", path, p)
    need(all(0.0 <= x <= 1.0 for x in p), "a probability must lie in [0, 1]", path, p)
    need(abs(sum(p) - 1.0) <= SUM_TOLERANCE, "probabilities must sum to 1", path, p)
    age = d.max_age_days
    rule = f"an age must be above 0 and at most {MAX_AGE_DAYS} days, or null"
    need(age is None or 0.0 < age <= MAX_AGE_DAYS, rule, "decision.max_age_days", age)


def _features(m: Manifest, need: Need) -> None:
    count = len(m.features)
    need(1 <= count <= MAX_FEATURES, f"there must be 1 to {MAX_FEATURES} features", "features", count)
    groups: list[str] = []
    for i, feature in enumerate(m.features):
        path = f"features[{i}]"
        need.identifier(feature.name, f"{path}.name")
        need.identifier(feature.group, f"{path}.group")
        need(feature.dtype == "float32", "a feature's dtype must be float32", f"{path}.dtype", feature.dtype)
        _statistics(feature, path, need)
        if not groups or groups[-1] != feature.group:
            groups.append(feature.group)
    need.unique((f.name for f in m.features), "a feature", "features")
    need.unique(groups, "the features of a group must stand together: a group", "features")


def _statistics(feature: FeatureSpec, path: str, need: Need) -> None:
    low, high, histogram = feature.minimum, feature.maximum, feature.histogram
    rule = "minimum and maximum must both be known, or both be null"
    need((low is None) == (high is None), rule, path, (low, high))
    if low is not None and high is not None:
        need(low <= high, "minimum must be at most maximum", path, (low, high))
    if histogram is None:
        return
    path = f"{path}.histogram"
    edges, counts = histogram.edges, histogram.counts
    need(1 <= len(edges) <= 1024, "a histogram must have 1 to 1024 edges", path, len(edges))
    rising = all(a < b for a, b in pairwise(edges))
    need(rising, "edges must increase", f"{path}.edges", edges)
    need(len(counts) == len(edges) + 1, f"{len(edges) + 1} counts are needed", f"{path}.counts", counts)
    need(all(c >= 0 for c in counts), "a count must be at least 0", f"{path}.counts", counts)


def _levels(m: Manifest, need: Need) -> None:
    need(1 <= len(m.levels) <= MAX_LEVELS, f"there must be 1 to {MAX_LEVELS} levels", "levels", len(m.levels))
    need.unique((s.name for s in m.levels), "a level", "levels")
    order = list(dict.fromkeys(f.group for f in m.features))
    width: int | None = None
    for i, level in enumerate(m.levels):
        path = f"levels[{i}]"
        need.identifier(level.name, f"{path}.name")
        need(
            level.file == names.level_file(level.name),
            f"a level's file must be {names.level_file(level.name)!r}",
            f"{path}.file",
            level.file,
        )
        need(bool(level.groups), "a level must have a group", f"{path}.groups", level.groups)
        for group in level.groups:
            need(group in order, "a level's groups must be defined", f"{path}.groups", group)
        kept = [g for g in order if g in level.groups]
        rule = "a level's groups must occur once and keep the order of the features"
        need(list(level.groups) == kept, rule, f"{path}.groups", level.groups)
        count = len(m.level_features(level))
        rule = "each level must have fewer features than the one before"
        need(width is None or count < width, rule, f"{path}.groups", count)
        width = count
        _level(level, len(m.classes), path, need)


def _level(level: Level, classes: int, path: str, need: Need) -> None:
    need.identifier(level.encoding, f"{path}.encoding")
    need(level.bits in (EXACT, CLOSE), f"bits must be {EXACT!r} or {CLOSE!r}", f"{path}.bits", level.bits)
    rule = "opsets must name domains of ONNX and versions from 1 to 999"
    good = bool(level.opsets) and all(d in _DOMAINS and 1 <= v <= 999 for d, v in level.opsets.items())
    need(good, rule, f"{path}.opsets", dict(level.opsets))
    need(level.vote in ("soft", "hard"), "a vote must be soft or hard", f"{path}.vote", level.vote)
    need(bool(level.members), "a level must have a member", f"{path}.members", ())
    need.unique((x.name for x in level.members), "a member", f"{path}.members")
    for j, member in enumerate(level.members):
        where = f"{path}.members[{j}]"
        need.identifier(member.name, f"{where}.name")
        need.identifier(member.library, f"{where}.library")
        need(member.weight > 0.0, "a weight must be above 0", f"{where}.weight", member.weight)
        counts = (member.trees, member.nodes)
        need(min(counts) >= 0, "trees and nodes must be at least 0", where, counts)
    total = sum(x.weight for x in level.members)
    need(abs(total - 1.0) <= SUM_TOLERANCE, "weights must sum to 1", f"{path}.members", total)
    for key in level.metrics:
        need.identifier(key, f"{path}.metrics")
    rule = f"class counts must be {classes} numbers of at least 0, or none"
    counts_hold = len(level.class_counts) in (0, classes) and all(c >= 0 for c in level.class_counts)
    need(counts_hold, rule, f"{path}.class_counts", level.class_counts)
    p = level.parity
    figures = (
        p.rows,
        p.boundary_rows,
        p.leaf_checks,
        p.wrong_leaves,
        p.max_difference,
        p.label_changes,
        p.ties,
        p.max_error or 0.0,
    )
    need(min(figures) >= 0, "figures of parity must be at least 0", f"{path}.parity", figures)


def _golden(m: Manifest, need: Need) -> None:
    g = m.golden
    need(g.file == names.GOLDEN, f"the golden rows must be in {names.GOLDEN}", "golden.file", g.file)
    rule = f"there must be 1 to {MAX_GOLDEN_ROWS} golden rows"
    need(1 <= g.rows <= MAX_GOLDEN_ROWS, rule, "golden.rows", g.rows)
    rule = "a tolerance must be above 0 and at most 0.01"
    need(0.0 < g.tolerance <= 0.01, rule, "golden.tolerance", g.tolerance)


def _files(m: Manifest, need: Need) -> None:
    for i, entry in enumerate(m.files):
        path = f"files[{i}]"
        rule = "a file must be a graph NAME.onnx, golden.npz, candles.npz, card.md or report.html"
        need(names.is_file_name(entry.name), rule, f"{path}.name", entry.name)
        _digest(entry.sha256, f"{path}.sha256", need)
        rule = f"a size must be 1 to {MAX_FILE_BYTES} bytes"
        need(1 <= entry.size <= MAX_FILE_BYTES, rule, f"{path}.size", entry.size)
    need.unique((f.name.casefold() for f in m.files), "a file (case aside)", "files")
    total = sum(f.size for f in m.files)
    rule = f"the sizes must sum to at most {MAX_TOTAL_BYTES} bytes"
    need(total <= MAX_TOTAL_BYTES, rule, "files", total)
    listed = {f.name for f in m.files}
    due = {s.file for s in m.levels} | {m.golden.file}
    if m.features_graph is not None:
        due |= {m.features_graph.file, m.features_graph.golden}
    for name in sorted(due - listed):
        need(False, "every graph, the golden rows and the golden candles must be listed", "files", name)
    for name in sorted(listed - due - {names.CARD, names.REPORT}):
        need(False, "a listed graph must belong to a level, or compute the features", "files", name)


def _guard(m: Manifest, need: Need) -> None:
    if m.guard is None:
        return
    rule = "a factor must be above 1, and at most 1e6"
    need(1.0 < m.guard.price_factor <= 1e6, rule, "guard.price_factor", m.guard.price_factor)
    rule = "ranges must be above 0, and at most 1e6"
    need(0.0 < m.guard.ranges <= 1e6, rule, "guard.ranges", m.guard.ranges)


def _missing(m: Manifest, need: Need) -> None:
    if m.missing is None:
        return
    need(bool(m.missing), "there must be a group that rows may lack, or no such key", "missing", m.missing)
    groups = {f.group for f in m.features}
    for group, how in m.missing.items():
        need(group in groups, "a group must be one of the features", f"missing.{group}", group)
        need(
            how == names.LEARNED,
            f"how a group may be missing must be {names.LEARNED!r}",
            f"missing.{group}",
            how,
        )
    for i, level in enumerate(m.levels):
        rule = "a level must have a group that rows may not lack"
        need(bool(set(level.groups) - set(m.missing)), rule, f"levels[{i}].groups", level.groups)


def _features_graph(m: Manifest, need: Need) -> None:
    g = m.features_graph
    if g is None:
        return
    features_graph.check(g.spec, place=f"{need.place}.features_graph", error=ManifestError)
    rule = f"the features graph must be {names.FEATURES}, its golden candles {names.CANDLES}"
    need((g.file, g.golden) == (names.FEATURES, names.CANDLES), rule, "features_graph", (g.file, g.golden))
    rule = "a level's graph must be another file than the features graph"
    need(all(s.file != g.file for s in m.levels), rule, "levels", g.file)
    digests = [f.sha256 for f in m.files if f.name == g.file]
    path = "features_graph.spec.graph_sha256"
    need(digests == [g.spec.graph_sha256], "the digest must be that of the file", path, g.spec.graph_sha256)
    known = set(m.feature_names)
    for name in g.spec.names:
        need(name in known, "a feature of the graph must be a feature", "features_graph.spec.features", name)
    levels = {s.name for s in m.levels}
    for level in g.spec.levels:
        need(level.name in levels, "a level must exist", "features_graph.spec.levels", level.name)


def _digest(text: str, path: str, need: Need) -> None:
    rule = "a digest must be 64 lower-case hexadecimal digits"
    need(names.is_sha256(text), rule, path, text)


def _provenance(m: Manifest, need: Need) -> None:
    p = m.provenance
    _digest(p.data_sha256, "provenance.data_sha256", need)
    _digest(p.config_sha256, "provenance.config_sha256", need)
    start = None if p.data_start is None else _instant(p.data_start, "provenance.data_start", need)
    end = None if p.data_end is None else _instant(p.data_end, "provenance.data_end", need)
    rule = "the data must start at or before its end"
    need(start is None or end is None or start <= end, rule, "provenance.data_start", p.data_start)
    rule = "an artifact that expires must say when its data ended"
    need(end is not None or m.decision.max_age_days is None, rule, "provenance.data_end", p.data_end)
    need(p.rows >= 0, "rows must be at least 0", "provenance.rows", p.rows)
    need(p.seed >= 0, "a seed must be at least 0", "provenance.seed", p.seed)
    commit = p.git_commit
    good = commit is None or (7 <= len(commit) <= 64 and names.is_hexadecimal(commit))
    need(good, "a commit must be 7 to 64 hexadecimal digits, or null", "provenance.git_commit", commit)
    for library, version in p.libraries.items():
        need.identifier(library, "provenance.libraries")
        need.text(version, f"provenance.libraries.{library}", 64)


def _instant(text: str, path: str, need: Need) -> datetime:
    parse: Callable[[str], datetime] = datetime.fromisoformat
    try:
        when = parse(text)
        good = when.utcoffset() == timedelta(0) and 1970 <= when.year < 3000
    except ValueError as e:
        let_signals_through(e)
        good, when = False, datetime.min
    rule = "a time must be ISO 8601 in UTC, for example 2026-11-21T00:00:00Z"
    need(good, rule, path, text)
    return when


def _runtime(m: Manifest, need: Need) -> None:
    rule = "a version of onnxruntime must be numbers joined by dots"
    for path, text in (
        ("minimum", m.runtime.minimum),
        *((f"known_bad[{i}]", x) for i, x in enumerate(m.runtime.known_bad)),
    ):
        numbers = text.split(".")
        plain = text.isascii() and all(part.isdecimal() and len(part) <= 6 for part in numbers)
        need(plain and 2 <= len(numbers) <= 4, rule, f"runtime.{path}", text)
    need.unique(m.runtime.known_bad, "a version", "runtime.known_bad")


def _aliases(m: Manifest, need: Need) -> None:
    levels = {s.name for s in m.levels}
    for alias, level in m.aliases.items():
        need.identifier(alias, "aliases")
        need(alias not in levels, "an alias must not be a level's name", "aliases", alias)
        rule = "an alias must point at a level"
        need(level in levels, rule, f"aliases.{alias}", level, f"Levels: {', '.join(sorted(levels))}.")


def _dropped(m: Manifest, need: Need) -> None:
    if m.members_dropped is None:
        return
    rule = "members_dropped must name a member, or be null"
    need(bool(m.members_dropped), rule, "members_dropped", m.members_dropped)
    members = {s.name: [x.name for x in s.members] for s in m.levels}
    for i, dropped in enumerate(m.members_dropped):
        path = f"members_dropped[{i}]"
        need(dropped.level in members, "a level must be known", f"{path}.level", dropped.level)
        need.identifier(dropped.name, f"{path}.name")
        rule = "a member that was left out must not be in the level"
        need(dropped.name not in members[dropped.level], rule, f"{path}.name", dropped.name)
        need.text(dropped.reason, f"{path}.reason", 200)
