"""The health file, and what `gradus health --file` makes of it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, full_row, trio_store

from gradus_runtime import CheckError, Predictor, UsageError
from gradus_runtime.cli import main
from gradus_runtime.monitoring.health_file import problems_of, read_health_file

BAR = 900
START = 1_767_225_600.0


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


def opened(path: Path, clock: Clock, source: Any = TRIO, **options: Any) -> Predictor:
    return Predictor.open(source, health_file=path, max_age_days=1e5, clock=clock, **options)


def test_the_file_is_written_at_opening_at_each_decision_and_at_each_reload(tmp_path: Path) -> None:
    path, clock = tmp_path / "health.json", Clock()
    store = trio_store(tmp_path / "store", pinned=OLDER_TRIO.name)
    with opened(path, clock, store.path) as bot:
        report = read_health_file(path)
        assert (report.pid, report.opened, report.decided, report.bar) == (os.getpid(), START, None, None)
        clock.now += BAR
        bot.decide(full_row(), at=START * 1000)
        report = read_health_file(path)
        assert (report.decided, report.bar_seconds) == (START + BAR, None)
        assert report.bar == datetime.fromtimestamp(START, UTC).isoformat()
        clock.now += BAR
        bot.decide(full_row(), at=(START + BAR) * 1000)
        assert read_health_file(path).bar_seconds == BAR
        clock.now += 1
        store.pin(TRIO.name, actor="test")
        assert bot.reload_if_changed()
        report = read_health_file(path)
        assert (report.written, report.decided) == (START + 2 * BAR + 1, START + 2 * BAR)
        assert report.health == bot.health()
    assert {p.name for p in tmp_path.iterdir()} == {"store", "health.json"}


def test_a_process_is_well_until_two_bars_have_passed(tmp_path: Path) -> None:
    path, clock = tmp_path / "health.json", Clock()
    with opened(path, clock) as bot:
        first = read_health_file(path)
        assert problems_of(first, START + 2 * BAR, BAR) == []
        (text,) = problems_of(first, START + 2 * BAR + 1, BAR)
        assert text == "no decision yet, and it began 30 min ago: more than 2 bars"
        for i in range(3):
            clock.now = START + i * BAR
            bot.decide(full_row(), at=(START + (i - 1) * BAR) * 1000)
        last = read_health_file(path)
        assert problems_of(last, clock.now + 2 * BAR, None) == []
        texts = problems_of(last, clock.now + 2 * BAR + 1, None)
        assert texts[0] == "the last decision was 30 min ago: more than 2 bars"


def test_a_process_that_decides_for_the_same_old_bar_is_not_well(tmp_path: Path) -> None:
    path, clock = tmp_path / "health.json", Clock()
    with opened(path, clock) as bot:
        for i in range(5):
            clock.now = START + i * BAR
            bot.decide(full_row(), at=START * 1000)
        (text,) = problems_of(read_health_file(path), clock.now, BAR)
    assert text == "the newest bar opened 60 min ago: its feed may have stopped"


def test_a_failed_process_is_not_well(tmp_path: Path) -> None:
    path, clock = tmp_path / "health.json", Clock()
    with opened(path, clock) as bot:
        for slot in bot._active[0].slots:
            slot.fail(RuntimeError("no memory"))
        bot.decide(full_row())
        assert problems_of(read_health_file(path), clock.now, BAR) == ["no level can serve"]


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "none" / "health.json", Clock()) as bot:
        assert bot.decide(full_row()).level == "level1"
        assert bot.health().status == "ok"


def test_the_command_looks_at_the_running_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "health.json"
    with Predictor.open(TRIO, max_age_days=1e5, health_file=path) as bot:
        bot.decide(full_row())
        arguments = ["health", "--file", str(path)]
        assert main([*arguments]) == 2
        assert "the length of a bar must be known" in capsys.readouterr().err
        assert main([*arguments, "--bar", "15m"]) == 0
        assert f"ok: process {os.getpid()}, version {TRIO.name}" in capsys.readouterr().out
        value = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps(value | {"decided": value["decided"] - 3600}), "utf-8")
        assert main([*arguments, "--bar", "15m", "--json"]) == 1
        assert "60 min ago" in json.loads(capsys.readouterr().out)["problems"][0]
        assert main([*arguments, "--bar", "1d"]) == 0
    with pytest.raises(SystemExit):
        main([*arguments, "--bar", "soon"])


@pytest.mark.parametrize("text", ["", "{}", '{"format": "x"}'])
def test_a_file_that_is_none_is_a_failed_check(tmp_path: Path, text: str) -> None:
    path = tmp_path / "health.json"
    with pytest.raises(CheckError, match="a health file must be readable"):
        read_health_file(path)
    path.write_text(text, "utf-8")
    with pytest.raises(CheckError):
        read_health_file(path)
    with pytest.raises(UsageError, match="sync must be"):
        Predictor.open(TRIO, health_file=path, journal="-", sync="x")
