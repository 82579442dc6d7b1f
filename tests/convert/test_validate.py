import dataclasses
import io
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.support.golden import OLDER_TRIO, TRIO, trio_store
from tests.support.manifests import sample_manifest
from tests.support.publishable import publishable
from tests.support.stores import write_folder

from gradus_convert.validation import documents, output
from gradus_convert.validation.findings import Check, Finding
from gradus_convert.validation.lines import line_of
from gradus_convert.validation.targets import check_path
from gradus_runtime.cli import main
from gradus_runtime.contracts import manifest as manifests
from gradus_runtime.contracts import strict_json

ROOT = Path(__file__).resolve().parents[2]
ORDER_FILE = str(ROOT / "config" / "feature_order.json")


@pytest.fixture
def trio(tmp_path):
    folder = tmp_path / "2026.11.21"
    shutil.copytree(TRIO, folder)
    return folder


def failed(checks):
    """Names of the checks with an error, and all messages."""
    names = [c.name for c in checks if any(f.severity == "error" for f in c.findings)]
    return names, " ".join(f.message for c in checks for f in c.findings)


def rewritten(folder, change):
    """The folder's manifest with a change, resealed, so that only the rules can object."""
    value = json.loads((folder / "manifest.json").read_text())
    change(value)
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".onnx", ".npz", ".md")}
    shutil.rmtree(folder)
    write_folder(folder, strict_json.canonical_bytes(value), files)
    return folder


def repacked(folder, name, data):
    """The folder with another file, and a manifest that says so: only content checks can object."""

    def change(value):
        import hashlib

        for entry in value["files"]:
            if entry["name"] == name:
                entry.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))

    (folder / name).write_bytes(data)
    return rewritten(folder, change)


def test_a_whole_artifact_passes_every_check(trio):
    checks = check_path(trio)
    assert [c.name for c in checks] == [
        "JSON", "schema", "rules", "canonical form", "files", "digests", "onnxruntime",
        "graph level1", "golden rows level1", "graph level2", "golden rows level2",
        "graph level3", "golden rows level3",
    ]  # fmt: skip
    assert all(c.passed for c in checks)


def test_an_exported_zip_passes_too(tmp_path):
    from gradus_convert.publishing.export import export_zip
    from gradus_runtime.store import open_artifact

    out = tmp_path / "trio.zip"
    with open_artifact(TRIO) as artifact:
        export_zip(artifact, out)
    checks = check_path(out)
    assert all(c.passed for c in checks)
    assert "golden rows level3" in [c.name for c in checks]


def test_a_store_is_checked_with_all_its_versions_or_the_pinned_one(tmp_path):
    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    every = check_path(store.path)
    assert failed(every) == ([], "")
    assert len({c.subject for c in every}) == 5
    pinned = check_path(store.path, pinned_only=True)
    assert not [c for c in pinned if "2026.11.21" in c.subject]
    assert pinned[0].name == "pin"


def test_a_store_without_a_pin_fails_where_the_pinned_version_is_asked_for(tmp_path):
    shutil.copytree(TRIO, tmp_path / "versions" / TRIO.name)
    names, text = failed(check_path(tmp_path, pinned_only=True))
    assert names == ["pin"]
    assert "no version is pinned" in text


def test_a_store_with_a_version_missing_fails_on_its_records(tmp_path):
    store = trio_store(tmp_path / "trio")
    shutil.rmtree(store.path / "versions" / "2026.11.21")
    names, text = failed(check_path(store.path))
    assert names == ["records"]
    assert "is missing from the store" in text


@pytest.mark.parametrize(
    ("change", "check", "message", "line_holds"),
    [
        (lambda m: m.pop("golden"), "schema", "'golden' is a required property", "{"),
        (lambda m: m.update(extra=1), "schema", "'extra' was unexpected", "{"),
        (lambda m: m["levels"][1].update(vote="loud"), "schema", "$.levels[1].vote", '"vote": "loud"'),
        (lambda m: m["files"][0].update(sha256="xyz"), "schema", "$.files[0].sha256", '"sha256": "xyz"'),
        (lambda m: m["levels"][0]["members"][0].update(weight=0.9), "rules", "weights must sum to 1", "["),
        (lambda m: m["levels"][1]["groups"].append("outer"), "rules", "groups must be defined", "["),
        (lambda m: m["aliases"].update(old="level9"), "rules", "an alias must point at a level", '"old"'),
        (lambda m: m["decision"].update(fallback_action="WAIT"), "rules", "must be a class", '"WAIT"'),
        (lambda m: m.update(format_version=99), "schema", "format_version must be at most", None),
        (lambda m: m.update(format_version=True), "schema", "$.format_version", "format_version"),
    ],
)
def test_a_manifest_that_breaks_the_contract_fails_at_the_line(trio, change, check, message, line_holds):
    folder = rewritten(trio, change)
    checks = check_path(folder / "manifest.json")
    names, text = failed(checks)
    assert names == [check]
    assert message in text
    (finding,) = [f for c in checks for f in c.findings][:1]
    if line_holds is None:
        assert finding.line is None
    else:
        lines = (folder / "manifest.json").read_text().splitlines()
        assert line_holds in lines[finding.line - 1]
    assert failed(check_path(folder))[0] == [check]


def test_the_readers_words_come_first_and_not_that_no_alternative_fits(tmp_path, capsys):
    order = json.loads(Path(ORDER_FILE).read_text())
    for feature in (order["groups"][0]["features"][1], order["groups"][1]["features"][0]):
        feature.pop("expression", None)
        feature.pop("definition", None)
    path = tmp_path / "feature_order.json"
    path.write_text(json.dumps(order, indent=1))
    assert main(["validate", str(path)]) == 1
    said = [line.strip() for line in capsys.readouterr().out.splitlines() if "error: " in line]
    place = "groups[0].features[1]: key 'expression', or 'definition' for one from outside, must be present"
    assert said[0] == f"error: {path}: {place}"
    alternatives = "'expression' is a required property, or 'definition' is a required property"
    assert said[1:] == [f"error: {path}: $.groups[1].features[0]: {alternatives}"]
    (schema,) = [c for c in check_path(path) if c.findings]
    name = order["groups"][0]["features"][1]["name"]
    lines = path.read_text().splitlines()
    assert f'"{name}"' in lines[schema.findings[0].line]  # the line after the brace of the feature


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["levels"][1].update(vote="loud"), "a vote must be soft or hard"),
        (lambda m: m.pop("golden"), "manifest: key 'golden' must be present"),
        (lambda m: m["golden"].update(rows="32"), "manifest.golden.rows: an integer is needed, but got '32'"),
        (lambda m: m.update(format_version="2"), "manifest: format_version must be 1 to 2, but got '2'"),
        (lambda m: m.update(drift=[]), "manifest.drift: an object is needed, but got []"),
    ],
)
def test_the_words_of_a_manifests_reader_come_first(trio, change, words):
    folder = rewritten(trio, change)
    for path in (folder, folder / "manifest.json"):
        (schema,) = [c for c in check_path(path) if c.findings]
        assert schema.name == "schema"
        assert words in schema.findings[0].message
        assert "under any of the given schemas" not in " ".join(f.message for f in schema.findings)


def test_several_broken_rules_are_found_in_one_run(trio):
    def change(value):
        value["levels"][0]["members"][0]["weight"] = 0.9
        value["aliases"]["old"] = "level9"
        value["decision"]["fallback_action"] = "WAIT"

    (rules,) = [c for c in check_path(rewritten(trio, change) / "manifest.json") if c.name == "rules"]
    assert len(rules.findings) == 3


def test_many_schema_errors_are_counted(trio):
    checks = check_path(rewritten(trio, lambda m: m["files"].extend([{"x": 1}] * 30)) / "manifest.json")
    assert failed(checks)[1].endswith("more")


def test_a_manifest_in_another_form_fails_on_its_form_alone(trio):
    value = json.loads((trio / "manifest.json").read_text())
    data = json.dumps(value).encode()
    checks = documents.check_manifest(data, "manifest.json")
    assert failed(checks)[0] == ["canonical form"]


@pytest.mark.parametrize("data", [b"{", b'{"a": 1, "a": 2}', b'{"format_version": NaN}', b"\xff{}"])
def test_what_is_not_strict_json_fails_with_the_rest_skipped(tmp_path, data):
    path = tmp_path / "manifest.json"
    path.write_bytes(data)
    checks = check_path(path)
    assert failed(checks)[0] == ["JSON"]
    assert main(["validate", str(path)]) == 1
    assert [c.name for c in documents.check_manifest(data, "m") if c.skipped] == [
        "schema", "rules", "canonical form",
    ]  # fmt: skip


def test_an_integer_written_as_a_float_passes_the_schema_but_not_the_reader(trio):
    checks = check_path(rewritten(trio, lambda m: m["golden"].update(rows=32.0)) / "manifest.json")
    assert failed(checks)[0] == ["rules"]


def test_a_flipped_byte_fails_on_the_digest_and_skips_what_depends_on_it(trio):
    data = bytearray((trio / "level2.onnx").read_bytes())
    data[100] ^= 1
    (trio / "level2.onnx").write_bytes(data)
    checks = check_path(trio)
    assert failed(checks)[0] == ["digests"]
    assert [c.name for c in checks if c.skipped] == ["graph level2", "golden rows level2"]


def test_a_missing_file_fails(trio):
    (trio / "level3.onnx").unlink()
    names, text = failed(check_path(trio))
    assert names == ["digests"]
    assert "level3.onnx: a file of the manifest must exist" in text


def test_a_graph_of_another_version_fails_on_its_metadata(trio):
    folder = repacked(trio, "level1.onnx", (OLDER_TRIO / "level1.onnx").read_bytes())
    names, text = failed(check_path(folder))
    assert names == ["graph level1"]
    assert "metadata must say gradus.version = 2026.11.21" in text


def test_a_graph_with_an_operator_off_the_list_fails(trio):
    model = onnx.load(trio / "level1.onnx")
    model.graph.node.append(onnx.helper.make_node("RandomNormal", [], ["noise"], shape=[1]))
    names, text = failed(check_path(repacked(trio, "level1.onnx", model.SerializeToString())))
    assert names == ["graph level1"]
    assert "RandomNormal" in text


def test_one_changed_number_in_a_graph_fails_on_its_golden_rows(trio):
    model = onnx.load(trio / "level1.onnx")
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        if values.dtype == np.float32 and values.size > 20:
            values.flat[3] += np.float32(0.5)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    names, text = failed(check_path(repacked(trio, "level1.onnx", model.SerializeToString())))
    assert names == ["golden rows level1"]
    assert "golden rows must be reproduced within" in text


def test_a_number_of_golden_rows_that_the_manifest_does_not_say_fails(trio):
    with np.load(trio / "golden.npz") as archive:
        arrays = {n: archive[n][:5] for n in archive.files}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    names, text = failed(check_path(repacked(trio, "golden.npz", buffer.getvalue())))
    assert names == ["golden rows level1", "golden rows level2", "golden rows level3"]
    assert "there must be 32 golden rows, but got 5" in text


def test_an_artifact_for_a_newer_onnxruntime_fails_and_is_not_replayed(trio):
    folder = rewritten(trio, lambda m: m["runtime"].update(minimum="99.0"))
    checks = check_path(folder)
    assert failed(checks)[0] == ["onnxruntime"]
    assert sum(c.skipped is not None for c in checks) == 3


def test_what_publishes_validates(tmp_path):
    manifest, files = publishable()
    write_folder(tmp_path / "v", manifest.to_bytes(), files)
    assert failed(check_path(tmp_path / "v")) == ([], "")


ORDER = {
    "format": "gradus-feature-order/1",
    "groups": [{"name": "g", "features": [{"name": n, "definition": "d"} for n in "ab"]}],
    "levels": [{"name": "level1", "groups": ["g"]}],
}


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (lambda v: v["groups"][0]["features"][1].update(name="a"), "rules", "a name must occur once"),
        (lambda v: v["levels"][0]["groups"].append("h"), "rules", "groups must be defined"),
        (lambda v: v["groups"][0].update(x=1), "schema", "'x' was unexpected"),
        (lambda v: v["groups"][0]["features"][0].update(name="1a"), "schema", "$.groups[0].features[0].name"),
        (lambda v: v.update(format="gradus-feature-order/9"), "schema", "$.format"),
    ],
)
def test_a_feature_order_that_breaks_a_rule_fails(tmp_path, change, check, message):
    value = json.loads(json.dumps(ORDER))
    change(value)
    path = tmp_path / "feature_order.json"
    path.write_text(json.dumps(value, indent=2))
    names, text = failed(check_path(path))
    assert names == [check]
    assert message in text


def test_the_projects_own_feature_order_passes(capsys):
    assert main(["validate", ORDER_FILE]) == 0
    assert "3 checks, 0 errors, 0 warnings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "data", "value"),
    [
        ("rows.csv", b"a,b\n", "a file of another kind"),
        ("other.json", b'{"a": 1}', "JSON of another kind"),
        ("folder", None, "a folder without manifest.json"),
    ],
)
def test_a_path_of_another_kind_is_wrong_use(tmp_path, capsys, name, data, value):
    path = tmp_path / name
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    assert main(["validate", str(path)]) == 2
    assert f"but got '{value}'" in capsys.readouterr().err


def test_a_path_that_does_not_exist_is_wrong_use(tmp_path, capsys):
    assert main(["validate", str(tmp_path / "absent")]) == 2
    assert f"{tmp_path / 'absent'}: a path must exist\n" in capsys.readouterr().err


def test_json_output_holds_checks_and_findings(trio, capsys):
    (trio / "level3.onnx").unlink()
    assert main(["validate", str(trio), "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["passed"] is False
    check, *skipped = [c for c in value["checks"] if not c["passed"]]
    assert check["name"] == "digests"
    assert [c["name"] for c in skipped] == ["graph level3", "golden rows level3"]
    assert check["findings"][0]["severity"] == "error"


def test_junit_has_a_suite_a_subject_and_a_failure_a_failed_check(trio, tmp_path):
    (trio / "level3.onnx").unlink()
    out = tmp_path / "reports" / "junit.xml"
    assert main(["validate", str(trio), ORDER_FILE, "--junit", str(out)]) == 1
    root = ElementTree.parse(out).getroot()
    assert [s.get("name") for s in root] == [str(trio / "manifest.json"), str(trio), ORDER_FILE]
    assert [c.get("name") for c in root.iter("testcase") if c.find("failure") is not None] == ["digests"]
    assert [s.get("failures") for s in root] == ["0", "1", "0"]


def test_junit_marks_what_was_skipped_and_keeps_warnings():
    checks = [
        Check("s", "a", (Finding("warning", "look \x00 here", "s"),)),
        Check("s", "b", skipped="a check before it failed"),
    ]
    root = ElementTree.fromstring(output.junit(checks))
    assert root.find(".//system-out").text == "look ? here"
    assert root.find(".//skipped").get("message") == "a check before it failed"


def test_a_junit_file_that_cannot_be_written_is_an_error_of_the_environment(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "junit.xml"
    assert main(["validate", ORDER_FILE, "--junit", str(out)]) == 3
    assert "junit.xml: a file must be writable: File exists" in capsys.readouterr().err


def test_in_actions_a_finding_is_an_annotation_at_its_file_and_line(trio, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.chdir(trio.parent)
    folder = rewritten(trio, lambda m: m["levels"][1].update(vote="loud"))
    assert main(["validate", str(folder)]) == 1
    text = capsys.readouterr().out
    line = (folder / "manifest.json").read_text().splitlines().index('      "vote": "loud"') + 1
    assert f"::error file=2026.11.21/manifest.json,line={line},title=schema::" in text


def test_annotations_escape_what_the_format_reserves():
    check = Check("s", "a, b", (Finding("error", "50%\nmore", "C:x,y"),))
    assert list(output.github([check])) == ["::error file=C%3Ax%2Cy,title=a%2C b::50%25%0Amore"]


def test_outside_actions_there_are_no_annotations(trio, capsys, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (trio / "level3.onnx").unlink()
    main(["validate", str(trio)])
    assert "::error" not in capsys.readouterr().out


def test_with_json_annotations_leave_standard_output_alone(trio, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (trio / "level3.onnx").unlink()
    main(["validate", str(trio), "--json"])
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert "::error" in captured.err


@pytest.mark.parametrize(
    ("path", "line"),
    [([], 1), (["a"], 2), (["b", 1], 5), (["b", 2, "c"], 7), (["b", 9], 3), (["z"], 1), (["a", "x"], 2)],
)
def test_a_key_path_is_found_at_its_line(path, line):
    text = '{\n "a": "x\\",{}",\n "b": [\n  1,\n  [2, 3],\n  {"d": 1,\n   "c": 4}]}\n'
    assert line_of(text, path) == line


def test_every_manifest_the_reader_takes_satisfies_the_schema(trio):
    decision = dataclasses.replace(sample_manifest().decision, fallback_action="A")
    changes = [
        {"version": "2026.11.21rc1.post2"},
        {"name": "a-b-9"},
        {"aliases": {}},
        {"classes": ("A", "B"), "decision": decision},
        {"runtime": dataclasses.replace(sample_manifest().runtime, minimum="1.2.3.4", known_bad=())},
    ]
    for change in changes:
        manifest = dataclasses.replace(sample_manifest(), **change)
        manifests.parse(manifest.to_bytes())
        assert failed(documents.check_manifest(manifest.to_bytes(), "m")) == ([], "")
