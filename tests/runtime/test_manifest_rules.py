"""What a manifest must hold, rule by rule: each broken once, each named with its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as PackagingVersion
from tests.support.manifests import sample_manifest

from gradus_runtime.contracts import codec, manifest, names, strict_json
from gradus_runtime.contracts.manifest import DroppedMember, Manifest, rules
from gradus_runtime.errors import ManifestError, UsageError


def spoiled(path: str, value: object) -> bytes:
    """The sample manifest's canonical bytes with the value at a dotted path replaced."""
    top = strict_json.parse(sample_manifest().to_bytes(), place="x")
    *steps, last = path.split(".")
    at: Any = top
    for step in steps:
        at = at[int(step)] if step.isdigit() else at[step]
    at[int(last) if last.isdigit() else last] = value
    return strict_json.canonical_bytes(top)


def test_a_manifest_reads_back_what_it_writes() -> None:
    m = sample_manifest()
    assert manifest.parse(m.to_bytes()) == m
    assert codec.decode(Manifest, codec.encode(m), place="x") == m


LEVEL = "levels.0"
RULES = [
    ("name", "Sample", "name: an artifact's name must be lower-case words"),
    ("name", "a" * 65, "name: an artifact's name"),
    ("name", "../a", "name: an artifact's name"),
    ("version", "1.0", "version: a version must be a calendar version"),
    ("version", "2026.2.30", "version: a version must be a calendar version"),
    ("version", "2026.01.04", "Without leading zeros"),
    ("classes", ["BUY"], "classes: there must be 2 to 64 classes"),
    ("classes", ["BUY", "BUY"], "classes: a class must occur once, but got 'BUY'"),
    ("classes", ["BUY", "\n"], r"classes\[1\]: a text must be printable"),
    ("decision.confidence_threshold", 1.5, "decision.confidence_threshold: a confidence must lie in"),
    ("decision.fallback_confidence", -0.1, "decision.fallback_confidence: a confidence must lie in"),
    ("decision.fallback_action", "HOLD", "the fallback action must be a class, but got 'HOLD'"),
    ("decision.fallback_probabilities", [1.0], "there must be 2 probabilities, one a class"),
    ("decision.fallback_probabilities", [1.5, -0.5], r"a probability must lie in \[0, 1\]"),
    ("decision.fallback_probabilities", [0.5, 0.6], "probabilities must sum to 1"),
    ("decision.max_age_days", 0.0, "an age must be above 0 and at most 36525 days, or null"),
    ("decision.max_age_days", 1e300, "an age must be above 0 and at most 36525 days, or null"),
    ("features", [], "there must be 1 to 4096 features"),
    ("features.0.name", "1st", r"features\[0\].name: a name must start with a letter"),
    ("features.0.name", "volume", "features: a feature must occur once, but got 'volume'"),
    ("features.0.group", "a b", r"features\[0\].group: a name must start"),
    ("features.0.dtype", "float64", "a feature's dtype must be float32, but got 'float64'"),
    ("features.0.minimum", None, r"features\[0\]: minimum and maximum must both be known"),
    ("features.0.minimum", 10.0, "minimum must be at most maximum"),
    ("features.0.histogram.edges", [], "a histogram must have 1 to 1024 edges"),
    ("features.0.histogram.edges", [2.0, 2.0], "edges must increase"),
    ("features.0.histogram.counts", [1], "3 counts are needed"),
    ("features.0.histogram.counts", [1, -1, 1], "a count must be at least 0"),
    ("features.0.group", "outside", "must stand together: a group must occur once, but got 'outside'"),
    ("features.2.group", "market", "a level's groups must be defined, but got 'outside'"),
    ("levels", [], "there must be 1 to 16 levels"),
    (f"{LEVEL}.name", "level2", "levels: a level must occur once, but got 'level2'"),
    (f"{LEVEL}.name", "../x", r"levels\[0\].name: a name must start"),
    (f"{LEVEL}.file", "other.onnx", "a level's file must be 'level1.onnx', but got 'other.onnx'"),
    (f"{LEVEL}.groups", [], "a level must have a group"),
    (f"{LEVEL}.groups", ["nope"], "a level's groups must be defined, but got 'nope'"),
    (f"{LEVEL}.groups", ["outside", "market"], "keep the order of the features"),
    (f"{LEVEL}.groups", ["market", "market"], "must occur once and keep the order"),
    (f"{LEVEL}.groups", ["market"], "each level must have fewer features than the one before, but got 2"),
    (f"{LEVEL}.encoding", "", r"levels\[0\].encoding: a name must start"),
    (f"{LEVEL}.opsets", {}, "opsets must name domains of ONNX"),
    (f"{LEVEL}.opsets", {"com.microsoft": 1}, "opsets must name domains of ONNX"),
    (f"{LEVEL}.vote", "loud", "a vote must be soft or hard, but got 'loud'"),
    (f"{LEVEL}.members", [], "a level must have a member"),
    (f"{LEVEL}.members.0.name", "forest", r"levels\[0\].members: a member must occur once"),
    (f"{LEVEL}.members.0.library", "", r"levels\[0\].members\[0\].library: a name must start"),
    (f"{LEVEL}.members.0.weight", 0.0, "a weight must be above 0"),
    (f"{LEVEL}.members.0.weight", 0.7, "weights must sum to 1, but got 1.1"),
    (f"{LEVEL}.members.0.trees", -1, "trees and nodes must be at least 0"),
    (f"{LEVEL}.metrics", {"a b": 1.0}, r"levels\[0\].metrics: a name must start"),
    (f"{LEVEL}.class_counts", [1], "class counts must be 2 numbers of at least 0, or none"),
    (f"{LEVEL}.class_counts", [1, -1], "class counts must be 2 numbers of at least 0, or none"),
    (f"{LEVEL}.parity.rows", -1, r"levels\[0\].parity"),
    ("golden.file", "other.npz", "the golden rows must be in golden.npz"),
    ("golden.rows", 0, "there must be 1 to 65536 golden rows"),
    ("golden.tolerance", 0.5, "a tolerance must be above 0 and at most 0.01"),
    ("files.0.name", "../golden.npz", "a file must be a graph NAME.onnx, golden.npz"),
    ("files.0.sha256", "A" * 64, r"files\[0\].sha256: a digest must be 64 lower-case"),
    ("files.0.size", 0, "a size must be 1 to 268435456 bytes"),
    ("files.0.size", 1 << 40, "a size must be 1 to 268435456 bytes"),
    ("files.0.name", "level1.onnx", r"files: a file \(case aside\) must occur once"),
    ("files.0.name", "LEVEL1.onnx", r"files: a file \(case aside\) must occur once"),
    ("files.0.name", "card.md", "must be listed, but got 'golden.npz'"),
    ("files.1.name", "level9.onnx", "must be listed, but got 'level1.onnx'"),
    ("provenance.data_sha256", "", "provenance.data_sha256: a digest must be"),
    ("provenance.config_sha256", "0" * 63, "provenance.config_sha256: a digest must be"),
    ("provenance.data_start", "yesterday", "provenance.data_start: a time must be ISO 8601 in UTC"),
    ("provenance.data_start", "2026-01-01T00:00:00+09:00", "a time must be ISO 8601 in UTC"),
    ("provenance.data_end", "9999-12-31T23:59:59Z", "provenance.data_end: a time must be"),
    ("provenance.data_start", "2026-02-01T00:00:00Z", "the data must start at or before its end"),
    ("provenance.rows", -1, "rows must be at least 0"),
    ("provenance.seed", -1, "a seed must be at least 0"),
    ("provenance.git_commit", "main", "a commit must be 7 to 64 hexadecimal digits, or null"),
    ("provenance.libraries", {"a b": "1"}, "provenance.libraries: a name must start"),
    ("provenance.libraries", {"numpy": ""}, "provenance.libraries.numpy: a text must be printable"),
    ("runtime.minimum", "1", "runtime.minimum: a version of onnxruntime must be numbers joined by dots"),
    ("runtime.known_bad", ["x"], r"runtime.known_bad\[0\]: a version of onnxruntime"),
    ("runtime.known_bad", ["1.2", "1.2"], "runtime.known_bad: a version must occur once"),
    ("aliases", {"level1": "level2"}, "an alias must not be a level's name"),
    ("aliases", {"old": "level9"}, "aliases.old: an alias must point at a level, .* Levels: level1, level2"),
    ("aliases", {"../old": "level1"}, "aliases: a name must start"),
]


@pytest.mark.parametrize(("path", "value", "message"), RULES)
def test_a_broken_rule_is_named_with_its_place(path: str, value: object, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        manifest.parse(spoiled(path, value))


def test_many_levels_and_a_graph_of_none_are_refused() -> None:
    value = strict_json.parse(sample_manifest().to_bytes(), place="x")
    value["files"].append({**value["files"][1], "name": "level9.onnx"})
    with pytest.raises(
        ManifestError, match=r"belong to a level, or compute the features, but got 'level9.onnx'"
    ):
        manifest.parse(strict_json.canonical_bytes(value))
    value = strict_json.parse(sample_manifest().to_bytes(), place="x")
    value["files"] += [{**value["files"][0], "name": "card.md"}, {**value["files"][0], "name": "report.html"}]
    for entry in value["files"]:
        entry["size"] = 200 << 20
    with pytest.raises(ManifestError, match="the sizes must sum to at most"):
        manifest.parse(strict_json.canonical_bytes(value))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.rstrip(b"\n"),
        lambda d: d + b"\n",
        lambda d: d.replace(b'"rows": 4', b'"rows":  4'),
        lambda d: d.replace(b'"minimum": 1.0', b'"minimum": 1'),
        lambda d: d.replace(b'"minimum": 1.0', b'"minimum": 1.00'),
        lambda d: d.replace(b"SELL", b"\\u0053ELL"),
        lambda d: d.replace(b"\n", b"\r\n"),
    ],
)
def test_there_is_one_way_to_write_a_manifest(change: Any) -> None:
    data = sample_manifest().to_bytes()
    assert change(data) != data
    with pytest.raises(ManifestError, match="a manifest must be in its canonical form"):
        manifest.parse(change(data))


numbers = st.integers(0, 20)
versions = st.builds(
    lambda y, m, d, rc, post: (
        f"{2020 + y}.{1 + m % 12}.{1 + d}"
        + (f"rc{rc}" if rc is not None else "")
        + (f".post{post}" if post is not None else "")
    ),
    st.integers(0, 20),
    numbers,
    numbers,
    st.none() | st.integers(0, 12),
    st.none() | st.integers(0, 12),
)


@given(versions, versions)
def test_versions_are_ordered_as_packaging_orders_them(a: str, b: str) -> None:
    assert (names.parse_version(a) < names.parse_version(b)) == (PackagingVersion(a) < PackagingVersion(b))
    assert str(PackagingVersion(a)) == a


@given(st.text("0123456789.rcpost", max_size=16))
def test_a_version_that_is_accepted_is_in_normal_form(text: str) -> None:
    try:
        names.parse_version(text)
    except UsageError:
        return
    assert str(PackagingVersion(text)) == text


def test_members_that_were_left_out_must_be_of_a_level_and_not_in_it() -> None:
    whole = sample_manifest()

    def broken(*dropped: tuple[str, str, str]) -> list[str]:
        manifest = replace(whole, members_dropped=tuple(DroppedMember(*d) for d in dropped))
        return [str(e) for e in rules.problems(manifest, "m")]

    assert broken(("level1", "lstm", "not supported")) == []
    assert "members_dropped must name a member, or be null" in broken()[0]
    assert "a level must be known" in broken(("level9", "lstm", "x"))[0]
    assert "a member that was left out must not be in the level" in broken(("level1", "forest", "x"))[0]
    assert "a text must be printable" in broken(("level1", "lstm", "a\nb"))[0]
    assert "a name must start with a letter" in broken(("level1", "l s", "x"))[0]


def test_an_artifact_that_expires_must_say_when_its_data_ended() -> None:
    whole = sample_manifest()
    unknown = replace(whole, provenance=replace(whole.provenance, data_start=None, data_end=None))
    assert rules.problems(unknown, "m") == ()
    expiring = replace(unknown, decision=replace(whole.decision, max_age_days=30.0))
    (problem,) = rules.problems(expiring, "m")
    assert "an artifact that expires must say when its data ended" in str(problem)
