"""The contracts in the repository itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gradus_runtime.contracts import feature_order, strict_json
from gradus_runtime.errors import ConfigError, ManifestError

PROJECT = Path(__file__).resolve().parent.parent


def test_each_level_of_the_reference_market_does_without_the_last_group_of_the_one_before() -> None:
    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    assert order.level_features("level1") == order.names
    groups = [g.name for g in order.groups]
    assert groups[-2:] == ["strategy_signals", "external_api"]
    assert [list(s.groups) for s in order.levels] == [groups, groups[:-1], groups[:-2]]


def test_a_feature_order_reads_back_what_it_writes() -> None:
    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    assert feature_order.parse(order.to_json(), place="here") == order


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"format": "other"},
            "format must be 'gradus-feature-order/2' or 'gradus-feature-order/1', but got 'other'",
        ),
        ({"extra": 1}, "a key must be known, but got 'extra'"),
        ({"levels": [{"name": "a", "groups": ["nope"]}]}, "a level's groups must be defined, but got 'nope'"),
        ({"levels": [{"name": "a", "groups": ["y", "x"]}]}, "must keep the order of groups"),
        ({"levels": [{"name": "a", "groups": ["x"]}]}, "the first level must have every group"),
        (
            {"levels": [{"name": "a", "groups": ["x", "y"]}, {"name": "b", "groups": ["x", "y"]}]},
            "each level must have fewer features",
        ),
        (
            {"levels": [{"name": "a", "groups": ["x", "y"]}, {"name": "a", "groups": ["x"]}]},
            "levels: a name must occur once, but got 'a'",
        ),
        ({"levels": []}, "a list with at least one entry is needed"),
        ({"groups": 3}, "a list with at least one entry is needed, but got 3"),
        (
            {"groups": [{"name": "x", "features": [{"name": "1", "definition": ""}]}]},
            "a name must start with",
        ),
        (
            {"groups": [{"name": "x", "features": [{"name": "f", "definition": 1}]}]},
            "a definition must be text",
        ),
        ({"groups": [{"name": "x"}]}, "key 'features' must be present"),
        ({"groups": [1]}, "an object is needed, but got 1"),
    ],
)
def test_a_broken_feature_order_is_refused_with_its_place(change: dict[str, object], message: str) -> None:
    feature = {"name": "f", "definition": "d"}
    value: dict[str, object] = {
        "format": feature_order.FORMAT,
        "groups": [
            {"name": "x", "features": [feature]},
            {"name": "y", "features": [{"name": "g", "definition": "d"}]},
        ],
        "levels": [{"name": "a", "groups": ["x", "y"]}, {"name": "b", "groups": ["x"]}],
    }
    assert feature_order.parse(value, place="ok").names == ("f", "g")
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        feature_order.parse(value | change, place="order.json")
    assert str(caught.value).startswith("order.json")


def test_a_duplicate_feature_is_refused() -> None:
    feature = {"name": "f", "definition": "d"}
    value = {
        "format": feature_order.FORMAT,
        "groups": [{"name": "x", "features": [feature, feature]}],
        "levels": [{"name": "a", "groups": ["x"]}],
    }
    with pytest.raises(ConfigError, match="features and terms: a name must occur once, but got 'f'"):
        feature_order.parse(value, place="order.json")


def test_an_unknown_level_is_refused_with_those_there_are() -> None:
    order = feature_order.load(PROJECT / "config" / "feature_order.json")
    with pytest.raises(ConfigError, match=re.escape("got 'level9'. Choose from level1, level2, level3.")):
        order.level("level9")


def test_a_missing_feature_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a feature order must be readable"):
        feature_order.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1, "a": 2}', "a key must occur once, but got 'a'"),
        (b'{"a": NaN}', "a number must be finite, but got 'NaN'"),
        (b'{"a": 1e999}', "a number must be finite, but got '1e999'"),
        (b"[" * 33 + b"]" * 33, "nested at most 32 deep"),
        (b"[" * 100_000, "nested at most 32 deep"),
        (b"[1] 2", "a file must be JSON"),
        (b"\xff", "a file must be UTF-8"),
        (b" " * (strict_json.MAX_BYTES + 1), "at most 1048576 bytes"),
        (b"[" + b"9" * 5000 + b"]", "at most 20 digits"),
        (b"", "a file must be JSON"),
    ],
    ids=lambda v: repr(v[:20]),
)
def test_strict_json_refuses_what_json_tolerates(data: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        strict_json.parse(data, place="m.json")


def test_brackets_in_text_are_not_nesting() -> None:
    assert strict_json.parse(b'["' + b"[" * 100 + b'\\"["]', place="m.json") == ["[" * 100 + '"[']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1e999}', "a number must be finite, but got '1e999'"),
        ('{"a": ' + "1" * 21 + "}", "an integer must have at most 20 digits"),
        ('{"a": "' + '\\"' * 50_000, "a file must be JSON"),
        ("[" * 50_000, "JSON must be nested at most 32 deep"),
        ('["' + "[" * 99 + '"]', None),
        ('["\\\\", ' + "[" * 40, "JSON must be nested at most 32 deep"),
    ],
)
def test_large_numbers_and_depth_are_seen_outside_of_texts_only(text: str, message: str | None) -> None:
    if message is None:
        assert strict_json.parse(text.encode(), place="x") == ["[" * 99]
        return
    with pytest.raises(ManifestError, match=message):
        strict_json.parse(text.encode(), place="x")
