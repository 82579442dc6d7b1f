"""The composite action and the hooks run what they say, with the gradus of this environment."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.support.golden import TRIO, full_row, trio_store

from gradus_runtime.cli import main

ROOT = Path(__file__).resolve().parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())


def run_action(tmp_path, **inputs):
    """Run the last step of the action as GitHub would: defaults for what is not given."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    bin_ = tmp_path / "temp" / "gradus" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "gradus").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{START}" "$@"\n')
    (bin_ / "gradus").chmod(0o755)
    values = {}
    for name, expression in step["env"].items():
        (key,) = re.findall(r"inputs\.([a-z-]+)", expression)
        values[name] = inputs.get(key.replace("-", "_"), action["inputs"][key].get("default"))
    environment = {**os.environ, **values, "RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_ACTIONS": "true"}
    script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(script, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


START = "import sys; from gradus_runtime.cli import main; sys.exit(main())"


def test_the_action_checks_several_paths(tmp_path):
    order = ROOT / "config" / "feature_order.json"
    done = run_action(tmp_path, paths=f"{TRIO}\n{order}\n", junit="out/junit.xml")
    assert done.returncode == 0, done.stderr
    assert "16 checks, 0 errors" in done.stdout
    assert (tmp_path / "out" / "junit.xml").exists()


def test_the_action_checks_rows_and_fails_with_annotations(tmp_path):
    import json

    (tmp_path / "rows.jsonl").write_text(json.dumps({**full_row(), "vix": None}) + "\n")
    options = {"against": "rows.jsonl", "max_missing": "0.9", "max_beyond": "1"}
    done = run_action(tmp_path, paths=str(TRIO), min_level="level1", **options)
    assert done.returncode == 1
    assert "::error file=rows.jsonl,title=levels::rows.jsonl: 1 row would be served by level2" in done.stdout


def test_the_action_may_check_the_pinned_version_alone(tmp_path):
    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    done = run_action(tmp_path, paths=str(store.path), pinned="true")
    assert done.returncode == 0
    assert "2026.11.21" not in done.stdout


def test_every_input_of_the_action_is_used():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    used = {re.search(r"inputs\.([a-z-]+)", e)[1] for s in action["runs"]["steps"] for e in s["env"].values()}
    assert used == set(action["inputs"])


@pytest.mark.parametrize("hook", HOOKS, ids=lambda h: h["id"])
def test_a_hook_runs_a_command_that_exists_on_the_files_it_names(tmp_path, hook, capsys):
    store = trio_store(tmp_path / "artifacts" / "trio")
    files = {
        "gradus-validate": ROOT / "config" / "feature_order.json",
        "gradus-validate-manifest": store.path / "versions" / "2026.11.21" / "manifest.json",
        "gradus-validate-store": store.path / "pin.json",
    }
    file = files[hook["id"]]
    assert re.search(hook["files"], file.as_posix())
    command, *options = shlex.split(hook["entry"])
    assert command == "gradus"
    given = file if hook.get("pass_filenames", True) else store.path
    assert main([*options, str(given)]) == 0


def test_no_hook_looks_at_the_manifest_of_a_web_page():
    for hook in HOOKS:
        assert not re.search(hook["files"], "public/manifest.json")


def test_the_example_workflow_names_what_a_training_of_half_a_year_has_not_seen():
    workflow = yaml.safe_load((ROOT / "examples/bot/.github/workflows/features.yml").read_text())
    given = workflow["jobs"]["validate"]["steps"][-1]["with"]
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert set(given) <= set(action["inputs"])
    assert given["any-range"].split() == ["month", "quarter", "is_quarter_end"]
    order = (ROOT / "config" / "feature_order.json").read_text()
    assert all(f'"{name}"' in order for name in given["any-range"].split())


def test_the_action_hands_on_features_that_may_lie_beyond(tmp_path):
    import json

    (tmp_path / "rows.jsonl").write_text(json.dumps({**full_row(), "close": 1e6}) + "\n")
    options = {"against": "rows.jsonl", "max_beyond": "0.05"}
    options = absolute(tmp_path, options)
    assert run_action(tmp_path / "a", paths=str(TRIO), **options).returncode == 1
    assert run_action(tmp_path / "b", paths=str(TRIO), any_range="close\n", **options).returncode == 0


def absolute(folder, options):
    return {**options, "against": str(folder / options["against"])}
