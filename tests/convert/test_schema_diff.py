import json
from pathlib import Path

import pytest
from tests.support.golden import OLDER_TRIO, PAIR, TRIO, trio_store

from gradus_convert.comparison.schema_changes import SchemaView, compare_schemas, load_schema_view
from gradus_runtime.cli import main
from gradus_runtime.contracts import feature_order
from gradus_runtime.errors import ConfigError

ORDER = Path(__file__).resolve().parents[2] / "config" / "feature_order.json"
NEW = {"name": "new", "definition": ""}
OLD = SchemaView(
    {"a": ("g", "float32"), "b": ("g", "float32"), "c": ("h", "float32")},
    {"level1": ("g", "h"), "level2": ("g",)},
    ("SELL", "BUY"),
    None,
)


def view(features=None, levels=None, classes=OLD.classes, definitions=None):
    shorthand = {n: (g, "float32") for n, g in features.items()} if features else OLD.features
    return SchemaView(shorthand, levels or OLD.levels, classes, definitions)


@pytest.mark.parametrize(
    ("new", "verdict", "kinds"),
    [
        (view(), "compatible", []),
        (view({"a": "g", "b": "g", "c": "h", "d": "h"}), "extended", ["added"]),
        (view({"a": "g", "x": "g", "b": "g", "c": "h"}), "extended", ["added"]),
        (view({"a": "g", "c": "h"}), "breaking", ["removed"]),
        (view({"a": "g", "b2": "g", "c": "h"}), "breaking", ["renamed"]),
        (view({"a": "g", "c": "h", "b2": "h"}), "breaking", ["removed", "added"]),
        (view({"b": "g", "a": "g", "c": "h"}), "breaking", ["reordered"]),
        (view({"a": "g", "b": "h", "c": "h"}), "breaking", ["group changed"]),
        (
            SchemaView({**OLD.features, "c": ("h", "float64")}, OLD.levels, OLD.classes, None),
            "breaking",
            ["type changed"],
        ),
        (view(levels={"level1": ("g", "h")}), "breaking", ["level removed"]),
        (
            view(levels={"level1": ("g", "h"), "level2": ("g",), "level3": ("h",)}),
            "extended",
            ["level added"],
        ),
        (view(levels={"level1": ("g", "h"), "level2": ("g", "h")}), "breaking", ["level narrowed"]),
        (view(levels={"level1": ("g",), "level2": ("g",)}), "extended", ["level widened"]),
        (view(levels={"level2": ("g",), "level1": ("g", "h")}), "breaking", ["levels reordered"]),
        (view(classes=("SELL", "BUY", "HOLD")), "extended", ["classes added"]),
        (view(classes=("BUY", "SELL")), "breaking", ["classes changed"]),
        (view(classes=None), "compatible", []),
    ],
)
def test_a_change_has_the_verdict_that_the_rules_give(new, verdict, kinds):
    found = compare_schemas(OLD, new)
    assert (found.verdict, [c.kind for c in found.changes]) == (verdict, kinds)


def test_the_gravest_change_gives_the_verdict():
    found = compare_schemas(OLD, view({"a": "g", "c": "h", "d": "i"}))
    assert found.verdict == "breaking"
    assert {c.kind for c in found.changes} == {"removed", "added"}


def test_a_new_definition_in_the_same_place_is_no_renaming():
    old = view({"a": "g", "b": "g"}, definitions={"a": "one", "b": "two"})
    renamed = view({"a": "g", "z": "g"}, definitions={"a": "one", "z": "two"})
    other = view({"a": "g", "z": "g"}, definitions={"a": "one", "z": "three"})
    assert [c.kind for c in compare_schemas(old, renamed).changes] == ["renamed"]
    assert [c.kind for c in compare_schemas(old, other).changes] == ["removed", "added"]


def test_feature_orders_manifests_and_artifacts_give_the_same_view(tmp_path):
    store = trio_store(tmp_path / "trio")
    view_ = load_schema_view(str(TRIO))
    assert load_schema_view(str(TRIO / "manifest.json")) == view_
    assert load_schema_view(str(store.path), "2026.11.21") == view_
    order = load_schema_view(str(ORDER))
    assert len(order.features) == len(feature_order.load(ORDER).names)
    assert order.classes is None


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[]")
    with pytest.raises(ConfigError, match="an object is needed"):
        load_schema_view(str(path))


def changed_order(tmp_path, change):
    value = json.loads(ORDER.read_text())
    change(value)
    path = tmp_path / "feature_order.json"
    path.write_text(json.dumps(value))
    return str(path)


@pytest.mark.parametrize(
    ("change", "limit", "code", "verdict"),
    [
        (lambda v: v["groups"][0]["features"][0].update(definition="x"), "extended", 0, "compatible"),
        (
            lambda v: v["groups"][0]["features"].append({"name": "new", "definition": ""}),
            "breaking",
            0,
            "extended",
        ),
        (
            lambda v: v["groups"][0]["features"].append({"name": "new", "definition": ""}),
            "extended",
            1,
            "extended",
        ),
        (lambda v: v["groups"][0]["features"].pop(), "breaking", 1, "breaking"),
    ],
)
def test_the_command_ends_with_1_from_the_verdict_asked_for(tmp_path, capsys, change, limit, code, verdict):
    new = changed_order(tmp_path, change)
    assert main(["diff", "--schema", str(ORDER), new, "--fail-on", limit]) == code
    assert capsys.readouterr().out.startswith(verdict)


def test_without_a_limit_the_command_only_tells(capsys):
    assert main(["diff", "--schema", str(TRIO), str(PAIR), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["verdict"] == "breaking"
    assert {"verdict": "breaking", "kind": "removed", "message": "feature atr is gone"} in value["changes"]


def test_two_versions_of_one_schema_are_compatible(capsys):
    assert main(["diff", "--schema", str(OLDER_TRIO), str(TRIO), "--fail-on", "extended"]) == 0
    assert capsys.readouterr().out == "compatible\n"
