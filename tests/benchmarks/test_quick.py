"""The benchmarks' short form, as `make bench-quick` runs it: for the answers, never for the times."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.profiles import PROFILES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_the_short_form_finds_every_answer_right_and_names_who_is_absent(tmp_path):
    words = ["-m", "benchmarks.run", "quick", "--fresh", "--cache", str(tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, *words, "--out", str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    results = json.loads((tmp_path / "out" / "latest.json").read_text())
    everyone = {plan.subject for plan in PROFILES["quick"].plans if not plan.peers}
    for subject in results["subjects"]:
        series = {s["peer"]: s["figures"] for s in subject["series"] if s["threads"] == 1}
        absent = {a["peer"]: a["reason"] for a in subject["absent"]}
        if "gradus" in absent and "CI" not in os.environ:
            pytest.skip(f"the runtime's environment could not be installed: {absent['gradus']}")
        assert all(absent.values())
        assert series["gradus"]["wrong_rows"] == series["gradus_graph"]["wrong_rows"] == 0
        assert series["gradus"]["boundary_rows"] > 1_000
        assert {"native", "stock"} <= {*series, *absent}
        if subject["name"] in everyone:
            assert {"tl2cgen", "treelite_gtil"} <= {*series, *absent}
            assert series["stock"]["wrong_rows"] > 0
    assert everyone <= {subject["name"] for subject in results["subjects"]}
    assert done.returncode == 0, done.stderr[-2000:]
