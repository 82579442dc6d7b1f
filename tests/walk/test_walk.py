"""Four weeks of the embedded market, from candles to money; killed, resumed, truncated: the same bytes."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from tests.support.walks import cut, run_walk, words, write_project

from gradus_runtime.cli import main
from gradus_runtime.store import Store
from gradus_train import DataSource, load_config, load_dataset, load_feature_order, prepare
from gradus_train.data.dataset import Dataset
from gradus_train.training.prepare import latest_days
from gradus_train.walk import versions as walk_versions
from gradus_train.walk.market_history import read_history
from gradus_train.walk.weeks import weeks_between

COMMAND = "import sys; from gradus_runtime.cli import main; sys.exit(main())"
SIDE = 5.0  # basis points: the costs of the project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def walked(project):
    """What `walk.json` holds, with simulated outages."""
    return run_walk(project, project / "out", "--outage-share", "0.1")


def versions(out):
    """Digest by version, of a walk's store."""
    store = Store(out / "store" / "walk")
    found = {}
    for name in store.versions():
        with store.open(name) as artifact:
            found[name] = artifact.digest
    return found


def test_a_walk_trains_converts_pins_serves_and_counts_each_week(project, walked):
    assert [w["name"] for w in walked["weeks"]] == ["2025-01-27", "2025-02-03", "2025-02-10", "2025-02-17"]
    for week in walked["weeks"]:
        assert week["version"]["problem"] is None
        assert sum(week["levels"].values()) == week["bars"] > 600
    assert walked["money"]["trades"] == sum(sum(w["money"]["trades"]) for w in walked["weeks"]) > 8
    assert (walked["market"], walked["costs_of"]) == ("candles", "simulated")
    assert walked["bar_by_bar"] == walked["weeks"][-1]["bars"]
    accepted = [w["version"]["version"] for w in walked["weeks"] if w["version"]["passed"]]
    assert Store(project / "out" / "store" / "walk").pin_state().version == accepted[-1]


def test_each_week_is_compared_with_the_version_that_was_pinned_then_whatever_the_day_is_today(
    project, walked
):
    """The artifacts of this walk expire after 30 days: by the clock of today, all of them have."""
    for before, week in pairwise(walked["weeks"]):
        run = project / "out" / "weeks" / week["name"] / "run" / "training_metadata.json"
        gates = json.loads(run.read_bytes())["training"]["details"]["gates"]
        compared = [g for g in gates if "the pinned version's" in g["text"]]
        assert {g["level"] for g in compared} >= {"level1", "level2"}
        assert before["served"] is not None


def test_money_is_what_the_trades_left_less_two_sides_each(walked):
    """An independent sum: a fee that is counted once, or not at all, is seen here."""
    for money in [w["money"] for w in walked["weeks"]] + [w["others"]["never"] for w in walked["weeks"]]:
        assert money["costs"] == pytest.approx(sum(money["trades"]) * 2 * SIDE * 1e-4, abs=1e-12)
        assert sum(money["days"]) == pytest.approx(money["gross"] - money["costs"], abs=1e-12)
    total = sum(sum(w["money"]["days"]) for w in walked["weeks"])
    assert walked["money"]["net"] == pytest.approx(total, abs=1e-12)
    assert walked["lines"][0]["net"] == pytest.approx(total, abs=1e-12)


def test_outages_step_down_to_the_level_that_needs_no_outside_series(walked):
    missing = sum(w["missing"] for w in walked["weeks"])
    bars = sum(w["bars"] for w in walked["weeks"])
    assert 0.04 < missing / bars < 0.2
    assert walked["levels"]["level2"] >= missing
    assert walked["stepped_down"] == walked["levels"]["level2"] + walked["levels"].get("fallback", 0)
    assert walked["outage_cost"] is not None


def test_the_same_walk_again_trains_nothing_and_gives_the_same_bytes(project, walked, capsys):
    before = (project / "out" / "walk.json").read_bytes()
    run_walk(project, project / "out", "--outage-share", "0.1")
    assert (project / "out" / "walk.json").read_bytes() == before
    assert "parts to train" not in capsys.readouterr().err


def test_a_truncated_file_a_kill_and_a_resume_give_the_earlier_weeks_the_same_bytes(
    project, walked, tmp_path
):
    copy = tmp_path / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("out"))
    cut(copy / "market" / "candles.csv", "2025-02-10T06:00:00Z")
    more = ["--to", "2025-02-09", "--outage-share", "0.1", "--out", str(copy / "out")]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words(copy, *more)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    for line in process.stderr:
        if line.startswith("2025-02-03: converting"):
            process.send_signal(signal.SIGKILL)
            break
    process.stderr.read()
    assert process.wait(60) == -signal.SIGKILL
    result = run_walk(copy, copy / "out", "--to", "2025-02-09", "--outage-share", "0.1")
    assert json.dumps(result["weeks"]) == json.dumps(walked["weeks"][:2])
    whole = versions(project / "out")
    assert versions(copy / "out") == {name: whole[name] for name in ("2025.1.27", "2025.2.3")}


def test_a_week_knows_what_training_on_a_truncated_file_knows(project, tmp_path):
    """The oracle is `load_dataset` on files that end where the week begins."""
    config = load_config(project / "config" / "training.toml")
    order = load_feature_order(project / "config" / "feature_order.json")
    market = project / "market"
    source = DataSource(candles=market / "candles.csv", daily=market / "macro.csv", settings=config.data)
    history = read_history(source, order, config.labels)
    week = weeks_between(date(2025, 2, 5), date(2025, 2, 11))[0]
    known = history.known_at(week.start_ms)
    for name in ("candles.csv", "macro.csv"):
        shutil.copy(market / name, tmp_path / name)
        cut(tmp_path / name, "2025-02-05")
    source = DataSource(candles=tmp_path / "candles.csv", daily=tmp_path / "macro.csv", settings=config.data)
    expected = load_dataset(source, order, config.labels)
    for field in fields(Dataset):
        mine, theirs = getattr(known, field.name), getattr(expected, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.tobytes() == theirs.tobytes(), field.name
        elif field.name == "golden":
            assert mine.to_bytes() == theirs.to_bytes()
        elif field.name not in ("trades", "prices"):
            assert mine == theirs, field.name
    plans = [prepare(d.select(latest_days(d, 20)), history.order, config) for d in (known, expected)]
    assert [t.key for t in plans[0].tasks] == [t.key for t in plans[1].tasks]


def test_a_walk_beyond_the_candles_is_refused_with_what_there_is(project, tmp_path, capsys):
    assert main(words(project, "--to", "2025-06-30", "--out", str(tmp_path / "out"))) == 2
    assert "candles must go on to the end of the last week" in capsys.readouterr().err


def test_a_folder_of_something_else_is_refused(project, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(words(project, "--out", str(tmp_path))) == 2
    assert "--out must be new, empty, or a walk's folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def quick(project):
    """Two weeks with quick proofs."""
    return run_walk(
        project, project / "quick", "--outage-share", "0.1", "--to", "2025-02-09", "--quick-proof"
    )


def proofs(out):
    """By week, whether its version was proved on every threshold."""
    return {p.parent.name: json.loads(p.read_bytes())["thresholds"] for p in out.glob("weeks/*/version.json")}


def test_quick_proofs_give_the_same_answers_and_the_last_version_is_proved_on_every_threshold(
    project, walked, quick
):
    assert quick["quick_proof"] is True
    assert proofs(project / "quick") == {"2025-01-27": False, "2025-02-03": True}
    for mine, theirs in zip(quick["weeks"], walked["weeks"][:2], strict=True):
        assert mine["version"].pop("digest") != theirs["version"]["digest"]
        assert mine == {**theirs, "version": {k: v for k, v in theirs["version"].items() if k != "digest"}}


def test_a_version_that_was_proved_quickly_is_proved_when_it_becomes_the_last(project, quick, tmp_path):
    again = shutil.copytree(project / "quick", tmp_path / "quick")
    before = versions(again)
    run_walk(project, again, "--outage-share", "0.1", "--to", "2025-02-02", "--quick-proof")
    assert proofs(again)["2025-01-27"] is True
    assert versions(again) == before


def test_a_last_version_that_fails_on_a_threshold_ends_the_walk(project, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(walk_versions, "prove", lambda *_: "every tree must end at the leaf of its library")
    one = words(project, "--to", "2025-02-02", "--quick-proof", "--out", str(tmp_path / "out"))
    assert main(one) == 1
    assert "the last version must hold on every threshold" in capsys.readouterr().err
    assert not (tmp_path / "out" / "walk.json").exists()


@pytest.mark.parametrize(
    ("out", "code", "message"),
    [
        ("/proc/walk", 3, "/proc/walk: --out must be writable"),
        ("walk", 2, "nowhere.csv: a file must exist"),
    ],
)
def test_a_folder_that_cannot_be_written_and_files_that_are_not_there_are_refused_before_data_is_read(
    tmp_path, capsys, out, code, message
):
    days = ["--from", "2025-01-06", "--to", "2025-02-01"]
    candles = str(tmp_path / "nowhere.csv")
    assert main(["walk", "--candles", candles, *days, "--out", str(tmp_path / out)]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Reading the data" not in said
    assert not (tmp_path / "walk").exists()
