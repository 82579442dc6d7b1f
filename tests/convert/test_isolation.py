import json
import os
import pickle

import pytest
from tests.support.legacy_models import NAMES, ensemble, model

from gradus_convert.isolation import ProcessLimits, call
from gradus_convert.isolation.error_values import rebuilt
from gradus_convert.pickles.import_request import ImportRequest, from_json, to_json
from gradus_convert.pickles.imported import import_spec
from gradus_convert.pickles.inert import UnsafePickleError
from gradus_convert.pickles.run import default_limits, import_pickles
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import DecisionPolicy
from gradus_runtime.errors import DataError, EnvironmentFailedError, ExitCode

MIB = 1 << 20
ENOUGH = ProcessLimits(4096 * MIB, 300.0)


@pytest.fixture(autouse=True)
def _tasks_can_be_imported(monkeypatch, request):
    monkeypatch.setenv("PYTHONPATH", str(request.config.rootpath))


def run(name, request=None, limits=ENOUGH, **options):
    return call(f"tests.support.isolated_tasks:{name}", request or {}, limits, place="f.pkl", **options)


def test_a_task_runs_in_another_process_whatever_libraries_print(capfd):
    said = []
    result = run("echo", {"a": [1, "x"]}, progress=said.append)
    assert result["got"] == {"a": [1, "x"]}
    assert result["process"] != os.getpid()
    assert said == ["beginning"]
    assert capfd.readouterr().out == ""


def test_a_crash_is_an_error_that_names_the_file_and_the_signal():
    with pytest.raises(EnvironmentFailedError, match=r"f\.pkl: .* must succeed, but got 'SIGABRT'"):
        run("crash")


def test_an_exit_is_an_error():
    with pytest.raises(EnvironmentFailedError, match="must succeed, but got 'exit code 7'"):
        run("leave")


def test_a_task_that_never_ends_is_ended():
    said = []
    with pytest.raises(EnvironmentFailedError, match=r"must end within 3 s\. Nothing was written"):
        run("stay", limits=ProcessLimits(4096 * MIB, 3.0), progress=said.append)


def test_a_task_that_fills_memory_is_an_error_with_the_way_out():
    assert run("fill", {"bytes": 100 * MIB}) == 100 * MIB
    with pytest.raises(EnvironmentFailedError, match=r"fit into the memory .* Allow more with --max-mem"):
        run("fill", {"bytes": 1000 * MIB}, ProcessLimits(600 * MIB, 300.0))


def test_an_error_of_gradus_crosses_with_its_class_and_its_text():
    with pytest.raises(UnsafePickleError) as caught:
        run("refuse")
    assert str(caught.value) == "f.pkl: a rule, but got ['x', {1: 2}]: it said so. Do this."
    assert caught.value.exit_code == ExitCode.CHECK_FAILED


@pytest.mark.parametrize("kind", [["os", "system"], ["gradus_convert.errors", "Any"], ["builtins", "list"]])
def test_only_errors_of_gradus_are_made_of_what_a_process_says(kind):
    value = {"class": kind, "rule": "r", "place": None, "value": None, "cause": None, "hint": None}
    assert type(rebuilt(value)) is EnvironmentFailedError


def test_a_request_crosses_whole(tmp_path):
    request = ImportRequest(
        "btc-jpy", "2026.1.4", {"level1": (tmp_path / "a.pkl", tmp_path / "b.pkl")}, weights={"a": 0.1},
        decision=DecisionPolicy(0.35, "HOLD", 0.5, (0.5, 0.5), None), rows=tmp_path / "r.csv", drop=("x",),
        rounds="all", rename_features=True, aliases={"old": "level1"}, classes="HOLD,BUY",
    )  # fmt: skip
    assert from_json(json.loads(json.dumps(to_json(request)))) == request
    bare = ImportRequest("a", "2026.1.4", {"": (tmp_path / "a.pkl",)})
    assert from_json(json.loads(json.dumps(to_json(bare)))) == bare


@pytest.fixture
def request_of_an_ensemble(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(ensemble(), 4))
    return ImportRequest("btc-jpy", "2026.1.4", {"": (path,)}, classes="SELL,HOLD,BUY")


def test_pickles_are_imported_by_a_typed_call_to_the_same_artifact_as_in_process(
    request_of_an_ensemble, monkeypatch
):
    from gradus_convert.artifact import build_artifact

    built = import_pickles(request_of_an_ensemble)
    assert built.manifest.feature_names == NAMES
    here = build_artifact(import_spec(request_of_an_ensemble))
    assert built.manifest.digest() == here.manifest.digest()
    assert built.files == here.files
    assert built.remarks == here.remarks


def test_an_import_that_crashes_a_library_is_an_error_and_publishes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GRADUS_TEST_CRASH", "1")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'lightgbm': os.abort()\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model("lightgbm"), 4))
    assert main(["import", str(path), "--store", str(tmp_path / "btc-jpy")]) == 3
    assert "must succeed, but got 'SIGABRT'. Nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "btc-jpy").exists()


def test_limits_grow_with_the_files_and_can_be_given(tmp_path, capsys):
    small, large = tmp_path / "a.pkl", tmp_path / "b.pkl"
    small.write_bytes(bytes(10))
    large.write_bytes(bytes(10 * MIB))
    assert default_limits([large]).memory - default_limits([small]).memory > 100 * 9 * MIB
    assert default_limits([large]).seconds > default_limits([small]).seconds
    with pytest.raises(DataError, match="a model file must be readable"):
        default_limits([tmp_path / "absent.pkl"])
    small.write_bytes(pickle.dumps(model("lightgbm"), 4))
    command = ["import", str(small), "--store", str(tmp_path / "btc-jpy"), "--classes", "SELL,HOLD,BUY"]
    assert main([*command, "--max-seconds", "0.01"]) == 3
    assert "must end within 0.01 s" in capsys.readouterr().err
