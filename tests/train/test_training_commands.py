import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import rich.console
from tests.support.training import ORDER, QUICK, make_dataset, quick_config

from gradus_runtime.cli import main
from gradus_runtime.contracts import run_folder, strict_json
from gradus_runtime.errors import EnvironmentFailedError, UsageError
from gradus_train.commands.inputs import chosen_levels
from gradus_train.report.charts import folds_chart, reliability_chart, share_interval
from gradus_train.report.decision_charts import skill_chart
from gradus_train.report.page import load_details
from gradus_train.run import forecast as forecasting
from gradus_train.run.folder import check_target
from gradus_train.run.run import git_commit_of
from gradus_train.training.parts import PartKey
from gradus_train.training.prepare import prepare
from gradus_train.training.progress import Lines, TerminalBars, progress_for

CONFIG = """
format = "gradus-training/1"
seed = 3
[data]
minimum_rows = 200
[labels]
horizon = 4
threshold = 0.005
classes = ["SELL", "HOLD", "BUY"]
[split]
folds = 2
gap = 4
holdout = 0.2
[early_stopping]
rounds = 3
tail = 0.2
refit = true
[imbalance]
smote = false
[vote]
kind = "soft"
weights = "optimise"
[[members]]
name = "lightgbm"
kind = "lightgbm"
weight = 0.5
class_weight = 0.0
[members.parameters]
n_estimators = 6
num_leaves = 7
[[members]]
name = "forest"
kind = "random_forest"
weight = 0.5
class_weight = 0.0
[members.parameters]
n_estimators = 6
max_depth = 4
"""
GATES = """
format = "gradus-gates/1"
[[gates]]
level = "*"
metric = "{metric}"
{rule}
"""


@pytest.fixture
def desk(tmp_path):
    """A folder with a table of features, a configuration, an order and gates."""
    dataset = make_dataset()
    columns = {name: dataset.features[:, i] for i, name in enumerate(ORDER.names)}
    labels = [None if c < 0 else dataset.classes[c] for c in dataset.labels]
    table = pl.DataFrame({"timestamp": dataset.timestamps, **columns, "label": labels})
    table = table.with_columns(pl.from_epoch("timestamp", time_unit="ms").dt.replace_time_zone("UTC"))
    table.write_parquet(tmp_path / "table.parquet")
    (tmp_path / "training.toml").write_text(CONFIG)
    (tmp_path / "order.json").write_bytes(strict_json.canonical_bytes(ORDER.to_json()))
    (tmp_path / "gates.toml").write_text(GATES.format(metric="log_loss", rule='beats = "priors"'))
    return tmp_path


def options(desk):
    return [
        "--features", str(desk / "table.parquet"), "--config", str(desk / "training.toml"),
        "--feature-order", str(desk / "order.json"), "--out", str(desk / "run"), "--jobs", "2",
    ]  # fmt: skip


def run_train(desk, *more):
    return main(["train", *options(desk), "--gates", str(desk / "gates.toml"), *more])


def test_train_writes_a_run_and_prints_figures_and_gates(desk, capsys):
    assert run_train(desk) == 0
    printed = capsys.readouterr()
    assert "gate passed: level1: log_loss" in printed.out
    assert "baseline priors" in printed.out
    assert "parts to train" in printed.err
    assert run_folder.load(desk / "run").gate_passed is True


def test_a_failing_gate_ends_with_1_and_its_line_and_no_gate_looks_anyway(desk, capsys):
    (desk / "gates.toml").write_text(GATES.format(metric="accuracy", rule="at_least = 0.999"))
    assert run_train(desk, "--level", "3") == 1
    assert "gate FAILED: level3: accuracy" in capsys.readouterr().out
    assert run_folder.load(desk / "run").gate_passed is False
    assert run_train(desk, "--level", "3", "--no-gate") == 0
    assert run_folder.load(desk / "run").gate_passed is None


def test_json_is_one_value(desk, capsys):
    assert run_train(desk, "--level", "2,3", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert list(value["levels"]) == ["level2", "level3"]
    assert value["gate_passed"] is True
    assert value["levels"]["level2"]["log_loss"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "a seed must lie in [0, 2**31), but got -1"),
        (["--drop-member", "lstm"], "a member must be known, but got 'lstm'. Members: lightgbm, forest"),
    ],
)
def test_a_dry_run_refuses_what_training_would(desk, capsys, options, message):
    assert run_train(desk, "--dry-run", *options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_estimators = 6\n", "n_estimators = 6\nlearning_rate = nan\n", "must be a finite number"),
        ("num_leaves = 7\n", "num_leaves = 7\nlinear_tree = true\n", "linear_tree must be False"),
        ('name = "forest"', 'name = "f\u00f6rest"', "a member's name must start with a letter"),
        ('"HOLD", "BUY"]', '"HOLD", ""]', "classes"),
    ],
)
def test_a_dry_run_refuses_a_configuration_that_fails_at_the_end(desk, capsys, old, new, message):
    assert old in CONFIG
    (desk / "training.toml").write_text(CONFIG.replace(old, new, 1), encoding="utf-8")
    assert run_train(desk, "--dry-run") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--out", "/proc/run"], 3, "/proc/run: --out must be writable: No such file or directory"),
        (["--out", "/proc/1/no/such/run"], 3, "/proc/1/no/such/run: --out must be writable"),
        (["--out", "{desk}/table.parquet/run"], 2, "--out must be a folder, but got 'the file"),
        (["--days", "0"], 2, "--days: days must be at least 1, but got 0"),
        (["--bars", "500"], 2, "--bars: --bars goes with --simulate, but got 500"),
        (["--n-trials", "0"], 2, "--n-trials must be at least 1"),
        (["--features", "{desk}/nowhere.csv"], 2, "nowhere.csv: a file must exist"),
        (["--features", "{desk}"], 2, "a file must be given, not a folder"),
        (["--level", "9"], 2, "a level must be a number from 1, a name, or all"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_arguments_and_a_folder_that_cannot_be_written_are_refused_before_data_is_read(
    desk, capsys, options, code, message, more
):
    if "/proc" in options[1] and not Path("/proc/self").exists():
        pytest.skip("this system has no /proc, a folder that not even root can write")
    assert run_train(desk, *(text.format(desk=desk) for text in options), *more) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Reading the data" not in said


def test_looking_whether_a_folder_can_be_written_leaves_no_trace(tmp_path):
    check_target(tmp_path / "a" / "b")
    (tmp_path / "run").mkdir()
    check_target(tmp_path / "run")
    assert [p.name for p in tmp_path.rglob("*")] == ["run"]


def test_a_market_of_no_bars_is_refused_and_not_taken_for_the_default(desk, capsys):
    rest = ["--config", str(desk / "training.toml"), "--out", str(desk / "run"), "--no-gate", "--dry-run"]
    assert main(["train", "--simulate", "--bars", "0", *rest]) == 2
    assert "a market must have at least 100 bars, but got 0" in capsys.readouterr().err


def test_a_member_is_left_out_of_training_and_the_run_says_so(desk, capsys):
    assert run_train(desk, "--no-gate", "--level", "3", "--drop-member", "forest") == 0
    run = run_folder.load(desk / "run")
    assert run.members_dropped == ("forest",)
    assert [(m.name, m.weight) for m in run.levels[0].members] == [("lightgbm", 1.0)]


def test_a_dry_run_shows_the_plan_and_writes_nothing(desk, capsys):
    assert run_train(desk, "--dry-run") == 0
    text = capsys.readouterr().out
    assert "level1: 4 features" in text
    assert "18 parts to train, 2 at a time: at most about" in text
    assert "Disk: about" in text
    assert not (desk / "run").exists()
    assert run_train(desk, "--dry-run", "--json", "--days", "7") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["parts"] == 18
    assert value["expected"]["seconds"] > 0
    assert value["levels"]["level3"] < 672


def test_the_seed_of_the_command_line_wins(desk):
    assert run_train(desk, "--level", "3", "--seed", "11") == 0
    assert run_folder.load(desk / "run").provenance.seed == 11


def test_tuned_parameters_are_found_written_and_trained_with(desk, capsys):
    assert main(["tune", *options(desk), "--level", "3", "--n-trials", "2"]) == 0
    assert "the best of 2 trials" in capsys.readouterr().out
    params = desk / "run" / "tuning" / "parameters.json"
    assert run_train(desk, "--level", "3", "--params", str(params)) == 0
    config = json.loads((desk / "run" / run_folder.METADATA).read_text())["training"]["config"]
    assert config["tuned"]["level3"]["forest"]["min_samples_leaf"] >= 1


def test_optimize_tunes_and_trains_at_once(desk, capsys):
    assert run_train(desk, "--level", "3", "--optimize", "--n-trials", "2") == 0
    assert "level3 forest: best" in capsys.readouterr().err
    config = json.loads((desk / "run" / run_folder.METADATA).read_text())["training"]["config"]
    assert set(config["tuned"]["level3"]) == {"lightgbm", "forest"}


def test_tune_answers_in_json_and_goes_on_with_resume(desk, capsys):
    command = ["tune", *options(desk), "--level", "3", "--json"]
    assert main([*command, "--n-trials", "1"]) == 0
    assert main([*command, "--n-trials", "2", "--resume"]) == 0
    last = capsys.readouterr().out.rpartition('{\n  "parameters"')[2]
    value = json.loads('{"parameters"' + last)
    assert [s["trials"] for s in value["studies"]] == [2, 2]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--level", "9"], "a level must be a number from 1, a name, or all"),
        (["--jobs", "0"], "jobs must be at least 1"),
        (["--bars", "100"], "--bars goes with --simulate"),
        (["--simulate"], "--simulate takes no files"),
        (["--days", "0"], "days must be at least 1"),
        (["--params", "none.json"], "tuned parameters must be readable"),
        (["--optimize", "--n-trials", "0"], "--n-trials must be at least 1"),
    ],
)
def test_wrong_use_ends_with_2_and_says_why(desk, capsys, more, text):
    assert run_train(desk, *more) == 2
    assert text in capsys.readouterr().err


def test_levels_are_named_by_number_name_or_all():
    known = ["level1", "level2", "level3"]
    assert chosen_levels("all", known) == known
    assert chosen_levels("3,level1", known) == ["level1", "level3"]
    with pytest.raises(UsageError, match="Levels here: level1, level2, level3"):
        chosen_levels("0", known)


def test_the_report_is_one_file_without_the_network(desk, capsys):
    dangerous = "level3"
    assert run_train(desk, "--level", dangerous) == 0
    assert main(["report", "--run", str(desk / "run")]) == 0
    page = (desk / "run" / "report.html").read_text()
    for word in ("<script", "src=", "http://", "https://www.w3.org/2000", "@import", "url(http"):
        assert word not in page.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    assert (
        page.count("<svg") == 3 + 2
    )  # labels, folds, reliability; whether and which side; no equity without costs
    assert "prefers-color-scheme: dark" in page
    ids = [piece.split('"')[0] for piece in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))
    assert main(["report", "--run", str(desk / "run"), "--out", str(desk / "x" / "r.html"), "--json"]) == 0
    assert (desk / "x" / "r.html").read_text() == page


def test_the_report_is_written_by_default_and_never_that_of_another_run(desk):
    assert run_train(desk, "--level", "3") == 0
    page = desk / "run" / "report.html"
    written = page.read_bytes()
    assert written.startswith(b"<!doctype html>")
    assert main(["report", "--run", str(desk / "run")]) == 0
    assert page.read_bytes() == written
    assert run_train(desk, "--level", "3", "--no-report", "--resume") == 0
    assert not page.exists()


@pytest.mark.parametrize(("share", "rows"), [(0.0, 3), (1 / 3, 3), (0.5, 40), (0.92, 1_000), (1.0, 7)])
def test_the_interval_of_a_share_holds_what_a_test_of_it_does_not_refuse(share, rows):
    """The score test (seen - p) / sqrt(p (1 - p) / n), asked of a fine grid of p."""
    inside = [p for p in (k / 100_000 for k in range(1, 100_000)) if
              abs(share - p) <= 1.959964 * (p * (1 - p) / rows) ** 0.5]  # fmt: skip
    low, high = share_interval(share, rows)
    assert low == pytest.approx(min(inside), abs=2e-5)
    assert high == pytest.approx(max(inside), abs=2e-5)


def test_each_line_of_a_holdout_alone_is_drawn_as_a_point(desk):
    assert run_train(desk, "--level", "3") == 0
    chart = folds_chart(replace(load_details(desk / "run").levels[0], folds=()))
    lone = re.findall(r'<path d="M [-\d.]+ [-\d.]+\s*"[^>]*/>(.*?)</g>', chart, re.DOTALL)
    assert len(lone) > 2  # members, priors, vote
    assert all("<use " in rest for rest in lone)


def test_no_line_of_the_reliability_chart_joins_two_points(desk):
    assert run_train(desk, "--level", "3") == 0
    details = load_details(desk / "run")
    assert not has_slanted_lines(reliability_chart(details.levels[0], details.data.classes, 4))
    assert len(details.skills) == 2
    assert not any(has_slanted_lines(skill_chart(skill)) for skill in details.skills)
    assert has_slanted_lines(folds_chart(details.levels[0]))  # so such lines would be seen


def has_slanted_lines(chart):
    """Whether a line in a colour of classes or members joins points that are not above each other."""
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="fill: none; stroke: var\(--c\d\)', chart)
    assert paths
    return any(len(set(re.findall(r"[ML] ([\d.]+) ", path))) > 1 for path in paths)


def test_the_report_of_a_failed_and_skipped_gate_says_so(desk):
    (desk / "gates.toml").write_text(
        GATES.format(metric="accuracy", rule="at_least = 0.999")
        + '[[gates]]\nlevel = "*"\nmetric = "log_loss"\nmargin_to_pinned = 0.1\n'
    )
    assert run_train(desk) == 1
    assert main(["report", "--run", str(desk / "run")]) == 0
    page = (desk / "run" / "report.html").read_text()
    assert 'class="gate failed"' in page
    assert 'class="gate skipped"' in page
    assert "Outage drill: outside absent" in page


def test_a_report_of_no_run_is_wrong_use(desk, capsys):
    assert main(["report", "--run", str(desk)]) == 2
    assert "a run folder must hold finished training" in capsys.readouterr().err


def test_a_full_disk_is_a_failure_of_the_environment(monkeypatch, tmp_path):
    plan = prepare(make_dataset(), ORDER, quick_config(), ["level3"])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(forecasting.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(EnvironmentFailedError, match=r"64 MiB must be free.*Free some space"):
        forecasting.check_disk(plan, tmp_path / "deep" / "run")


@pytest.mark.parametrize("kind", sorted(QUICK))
def test_a_forecast_counts_every_kind(kind, tmp_path):
    plan = prepare(make_dataset(), ORDER, quick_config((kind,)), ["level3"])
    expected = forecasting.forecast(plan, tmp_path, jobs=1)
    assert expected.seconds > 0
    assert expected.model_bytes > 100


def test_bars_on_a_terminal_and_lines_elsewhere(monkeypatch, capsys):
    assert isinstance(progress_for(verbose=False), Lines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(progress_for(verbose=False), TerminalBars)


def test_the_bars_follow_parts_levels_and_trials():
    bars = TerminalBars(verbose=True)
    console = rich.console.Console(force_terminal=True, width=100, file=io.StringIO())
    bars._bars.live.console = console
    keys = [PartKey("level1", "lightgbm", "fold1", "a"), PartKey("level2", "lightgbm", "fold1", "b")]
    with bars:
        bars.start(keys, keys[:1])
        bars.finished(keys[1], 1.5)
        bars.trial("level1 lightgbm", 3, 10, 0.75)
        bars.trial("level1 lightgbm", 4, 10, None)
        bars.say("a line")
    done = {task.description: (task.completed, task.total) for task in bars._bars.tasks}
    assert done["all parts"] == (2, 2)
    assert done["level2: lightgbm fold1"] == (1, 1)
    assert done["level1 lightgbm: best -"] == (4, 10)


def test_lines_are_few_unless_verbose(capsys):
    keys = [PartKey("level1", "lightgbm", f"fold{i}", "a") for i in range(40)]
    for verbose, expected in ((False, 11), (True, 41)):
        with Lines(verbose=verbose) as lines:
            lines.start(keys, [])
            for key in keys:
                lines.finished(key, 0.1)
        assert len(capsys.readouterr().err.splitlines()) == expected


def test_the_commit_is_that_of_the_repository_or_none(tmp_path, monkeypatch):
    assert git_commit_of(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit_of(tmp_path) is None


def test_what_is_said_of_a_run_fits_the_terminal(desk, capfd, monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((60, 24)))
    assert run_train(desk, "--level", "3") == 0
    out = capfd.readouterr().out
    said = out[out.index("gate passed: level3") : out.index("Run folder")].splitlines()
    assert max(map(len, said)) <= 60
    starts = [line for line in said if line and not line.startswith("  ")]
    assert any(line.startswith("value gate ") for line in starts)
    assert any(line.startswith("Verdict: ") for line in starts)
    assert len(said) > len(starts) + 5  # the rest goes on with two blanks before it
