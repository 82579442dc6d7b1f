"""The log: one line a change, never one a row. And what idle levels give back."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.golden import TRIO, full_row, variant

import gradus_runtime
from gradus_runtime import Predictor
from gradus_runtime.monitoring.change_log import LEVEL_LINES_SECONDS, Changes

OUTAGE = {name: value for name, value in full_row().items() if name not in ("usd_jpy", "vix", "dxy")}


@pytest.fixture
def bot(caplog: pytest.LogCaptureFixture) -> Iterator[Predictor]:
    caplog.set_level(logging.DEBUG, "gradus_runtime")
    with Predictor.open(TRIO) as predictor:
        yield predictor


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


PROGRAM = """
import sys
{before}
from gradus_runtime import Predictor
bot = Predictor.open(sys.argv[1])
{between}
rows = [dict.fromkeys(bot.feature_names_in_, 0.5), {{}}]
assert [bot.decide(row).level for row in rows] == ["level1", "fallback"]
"""
SET_UP = "import logging; logging.basicConfig(format='%(levelname)s %(name)s %(message)s', level=20)"


@pytest.mark.parametrize(
    ("before", "between", "said"),
    [
        ("", "", 0),
        ("import logging", "", 0),
        ("", "import logging", 0),
        (SET_UP, "", 1),
        ("", SET_UP, 1),
    ],
)
def test_a_program_reads_lines_where_it_set_logging_up_and_only_there(
    before: str, between: str, said: int
) -> None:
    script = PROGRAM.format(before=before, between=between)
    done = subprocess.run(
        [sys.executable, "-c", script, str(TRIO)], capture_output=True, text=True, check=True
    )
    said_lines = done.stderr.splitlines()
    assert len(said_lines) == said, done.stderr
    begin = "WARNING gradus_runtime level changed from level1 to fallback: "
    assert all(line.startswith(begin) for line in said_lines)


def test_the_package_lists_its_names() -> None:
    assert set(gradus_runtime.__all__) <= set(dir(gradus_runtime))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = gradus_runtime.nothing


def test_serving_as_usual_says_nothing(bot: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        bot.decide(full_row())
    bot.predict([full_row()] * 50)
    assert lines(caplog) == []


def test_an_outage_is_one_line(bot: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    bot.decide(full_row())
    for _ in range(100):
        bot.decide(OUTAGE)
    assert lines(caplog) == ["level changed from level1 to level2: level1: missing usd_jpy, vix, dxy"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (record.__dict__["gradus_event"], record.__dict__["gradus_now"]) == ("level", "level2")


def test_changes_of_level_are_said_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gradus_runtime")
    now = [0.0]
    changes = Changes(lambda: now[0])
    changes.level("level1", ())
    for i in range(1000):
        changes.level(f"level{i % 2 + 1}", ("why",) if i % 2 else ())
    now[0] = LEVEL_LINES_SECONDS
    changes.level("level1", ())
    assert lines(caplog) == [
        "level changed from level1 to level2: why",
        "level changed from level2 to level1 (998 changes in between)",
    ]


def test_a_batch_says_the_level_of_most_rows(bot: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    bot.predict([full_row()] * 5 + [OUTAGE] * 2)
    assert lines(caplog) == []
    bot.predict([full_row()] * 2 + [OUTAGE] * 5)
    assert lines(caplog) == ["level changed from level1 to level2: level1: missing usd_jpy, vix, dxy"]
    bot.predict([])
    assert len(lines(caplog)) == 1


def test_the_fallback_is_said(bot: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    bot.decide({})
    (line,) = lines(caplog)
    assert line.startswith("level changed from none to fallback: level1: missing close, ")


def test_ignored_columns_are_counted_once(bot: Predictor, caplog: pytest.LogCaptureFixture) -> None:
    row = full_row() | {f"other{i}": 1.0 for i in range(7)}
    for _ in range(3):
        bot.decide(row)
        bot.predict([row])
    assert lines(caplog) == [
        "ignoring 7 columns that are not features of this artifact: "
        "other0, other1, other2, other3, other4 ..."
    ]


def test_a_level_that_goes_out_is_a_line_of_health(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gradus_runtime")
    with Predictor.open(variant(TRIO, tmp_path / "v", files={"level1.onnx": b"no graph"})) as bot:
        for _ in range(20):
            bot.decide(full_row())
            bot.predict([full_row()])
    health = [line for line in lines(caplog) if line.startswith("health")]
    assert len(health) == 1
    assert health[0].startswith("health changed from ok to degraded: level1: ")


def test_a_level_that_idles_is_released_and_comes_back() -> None:
    clock = [0.0]
    with Predictor.open(TRIO, release_after=600.0, clock=lambda: clock[0]) as bot:

        def states() -> list[str]:
            return [level.state for level in bot.health().levels]

        bot.decide(OUTAGE)
        bot.decide(full_row())
        assert states() == ["ready", "ready", "not loaded"]
        for minute in range(5, 30, 5):
            clock[0] = minute * 60.0
            bot.decide(full_row())
        assert states() == ["ready", "not loaded", "not loaded"]
        assert bot.decide(OUTAGE).level == "level2"
        assert states() == ["ready", "ready", "not loaded"]


@pytest.mark.parametrize("options", [{"release_after": None}, {"preload": True}])
def test_levels_stay_where_they_are_asked_to(options: dict[str, Any]) -> None:
    clock = [0.0]
    with Predictor.open(TRIO, clock=lambda: clock[0], **options) as bot:
        bot.decide(OUTAGE)
        for hour in range(10):
            clock[0] = hour * 3600.0
            bot.decide(full_row())
        assert [level.state for level in bot.health().levels][:2] == ["ready", "ready"]


def test_giving_memory_back_is_silent_where_the_library_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    from gradus_runtime.sessions import memory

    def refuse(name: object) -> object:
        raise OSError("no such library")

    memory.trim()
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    memory.trim()
