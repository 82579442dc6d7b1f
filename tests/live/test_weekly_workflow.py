"""The weekly workflow tells what the bot's journal tells, once, though each run has a fresh machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.golden import TRIO, changed, full_row, variant
from tests.support.live_bot import BAR_MS, START, walk, write_candles
from tests.support.receivers import receiving

from gradus_live.labels import FixedHorizon, to_contract
from gradus_runtime import Predictor, Store

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None, reason="the workflow fetches with curl, which is not here"
)
ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/weekly-retrain.yml").read_text("utf-8"))
COMMAND = "import sys; from gradus_runtime.cli import main; sys.exit(main())"
GH = """#!/bin/sh
# What the workflow asks of gh: the ids of its runs, newest first, and the artifact of one of them.
case "$1 $2" in
"run list") printf '2\\n1\\n' ;;
"run download") test "$3" = 1 && cp -r "$KEPT" "$7" ;;
esac
"""


def step(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in WORKFLOW["jobs"]["retrain"]["steps"] if s.get("name") == name)
    return found


def week(folder: Path, store: Store, journal: Path, kept: Path, **environment: str) -> str:
    """A week's run: a fresh checkout with the store, candles, and what the week before kept."""
    bin_ = folder / ".venv" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "gradus").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{COMMAND}" "$@"\n', "utf-8")
    (bin_ / "gh").write_text(GH, "ascii")
    for name in ("gradus", "gh"):
        (bin_ / name).chmod(0o755)
    shutil.copytree(store.path, folder / WORKFLOW["env"]["STORE"])
    (folder / "data").mkdir()
    write_candles(folder / "data" / "candles.csv", walk(40))
    known = {"JOURNAL_URL": journal.as_uri(), "KEPT": str(kept), **WORKFLOW["env"], **environment}
    path = {"PATH": f"{bin_}:{os.environ['PATH']}"}
    script = step("Say what the bot's journal tells")["run"]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        env={**os.environ, **known, **path},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def lived(tmp_path: Path, *, label: bool) -> tuple[Store, Path]:
    """A store, and the journal of a bot that decided on 30 bars of January."""
    store = Store(tmp_path / "store")
    rule = to_contract(FixedHorizon(horizon=4, threshold=0.003)) if label else None
    variant(TRIO, store.path / "versions" / TRIO.name, change=changed(label=rule))
    store.pin(TRIO.name, actor="test")
    now = [START / 1000]
    options = {"journal": tmp_path / "journal", "clock": lambda: now[0], "sync": "never"}
    with Predictor.open(store.path, max_age_days=1e5, **options) as bot:
        for i in range(30):
            now[0] = (START + (i + 1) * BAR_MS) / 1000
            bot.decide(full_row(i), at=START + i * BAR_MS)
    (journal,) = (tmp_path / "journal").iterdir()
    return store, journal


def test_the_weekly_workflow_says_each_thing_once(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    store, journal = lived(tmp_path, label=True)
    kept = step("Keep what was said")["with"]
    assert kept["name"] == "watch"
    first, second = tmp_path / "first", tmp_path / "second"
    with receiving() as (url, got):
        week(first, store, journal, tmp_path / "nothing", GRADUS_NOTIFY=url)
        (said,) = [message["message"] for message in got]
        assert said.startswith("no decision since 2026-01-01T07:30:00Z")
        week(second, store, journal, first / kept["path"], GRADUS_NOTIFY=url)
        assert len(got) == 1
    outcomes = (second / kept["path"] / "outcomes.jsonl").read_text("ascii").splitlines()
    assert len(outcomes) == 30
    assert json.loads(outcomes[0])["gradus"] == "outcome/1"


def test_without_a_destination_and_without_outcomes_the_weekly_workflow_shows_what_it_would_say(
    tmp_path: Path,
) -> None:
    store, journal = lived(tmp_path, label=False)
    out = week(tmp_path / "run", store, journal, tmp_path / "nothing", GRADUS_NOTIFY="")
    assert "::warning::The decisions have no outcomes of this week" in out
    assert "silence: no decision since 2026-01-01T07:30:00Z" in out
    assert "1 alert, 0 messages sent" in out
