"""`gradus watch`: each alert by a planted event, and messages at least once and at most twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, full_row, trio_store, variant, with_alarms
from tests.support.live_bot import DAY, made_up, promising
from tests.support.receivers import receiving

from gradus_live.contracts_of import manifests_of
from gradus_live.record import build_record
from gradus_live.watch import Alert, AlertLimits, deliver, find_alerts, read_state
from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.journal import JournalContent, read_journal

START = 1_767_225_600.0
BAR = 900.0


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


class Bot:
    """A bot with a store and a journal, whose clock stands until it is moved."""

    def __init__(self, tmp_path: Path) -> None:
        self.store = trio_store(tmp_path / "store", pinned=OLDER_TRIO.name)
        self.journal = tmp_path / "journal"
        self.clock = Clock()
        self.manifests = manifests_of(self.store.path)

    def open(self, **options: Any) -> Predictor:
        known = {"max_age_days": 1e5, "journal": self.journal, "clock": self.clock, **options}
        return Predictor.open(self.store.path, **known)

    def content(self) -> JournalContent:
        return read_journal([self.journal])

    def alerts(self, **limits: Any) -> list[Alert]:
        return find_alerts(self.content(), self.manifests, None, AlertLimits(BAR, **limits), self.clock.now)


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path)


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts]


def test_a_bot_that_is_well_is_not_spoken_of(bot: Bot) -> None:
    with bot.open() as predictor:
        for i in range(10):
            predictor.decide(full_row(i))
            bot.clock.now += BAR
    assert bot.alerts() == []


def test_a_change_of_version_is_said_once(bot: Bot) -> None:
    with bot.open() as predictor:
        predictor.decide(full_row())
        bot.store.pin(TRIO.name, actor="test")
        assert predictor.reload_if_changed()
        predictor.decide(full_row())
        (first,) = bot.alerts()
        predictor.decide(full_row())
        assert bot.alerts() == [first]
    assert first.text == (
        f"trio: version {TRIO.name} serves since 2026-01-01T00:00:00Z, before it {OLDER_TRIO.name}"
    )
    assert first.message.endswith(f"[{first.id}]")


def test_a_level_below_the_first_is_said_after_so_many_bars_and_again_for_another_stretch(bot: Bot) -> None:
    poor = {k: v for k, v in full_row().items() if k != "dxy"}
    with bot.open() as predictor:
        for _ in range(3):
            predictor.decide(poor)
        assert bot.alerts() == []
        predictor.decide(poor)
        (first,) = bot.alerts()
        for _ in range(5):
            predictor.decide(poor)
        assert bot.alerts() == [first]
        predictor.decide(full_row())
        for _ in range(4):
            predictor.decide(poor)
        assert len(bot.alerts()) == 2
        assert len(bot.alerts(bars=30)) == 0
    assert first.text.startswith(
        "trio: 4 decisions below the first level since 2026-01-01T00:00:00Z, by level2: "
    )
    assert "missing dxy" in first.text


def test_silence_is_an_event(bot: Bot) -> None:
    assert kinds(find_alerts(JournalContent((), (), 0, 0, 0, 0, ()), {}, None, AlertLimits(BAR), START)) == [
        "silence"
    ]
    with bot.open() as predictor:
        bot.clock.now += 2 * BAR
        assert bot.alerts() == []
        bot.clock.now += 1
        assert (
            bot.alerts()[0].text == "no decision since the process began since 2026-01-01T00:00:00Z: 2 bars"
        )
        predictor.decide(full_row())
        assert bot.alerts() == []
        bot.clock.now += 10 * BAR
        (said,) = bot.alerts()
        assert said.text == "no decision since 2026-01-01T00:30:01Z: 10 bars"
        bot.clock.now += 10 * BAR
        assert bot.alerts()[0].id == said.id


def test_an_expiry_that_is_near_is_said(bot: Bot) -> None:
    with bot.open() as predictor:
        end = float(predictor._active[0].expires) - 1e5 * 86_400
    bot.clock.now = end + 86_400
    with bot.open(max_age_days=5) as predictor:
        predictor.decide(full_row())
    assert kinds(bot.alerts()) == []
    (said,) = bot.alerts(expiry_days=4.5)
    assert said.kind == "expiry"
    assert "expires" in said.text
    bot.clock.now += 86_400 * 6
    assert next(a.text for a in bot.alerts() if a.kind == "expiry").count("has expired") == 1


def test_a_reload_that_failed_is_said(bot: Bot) -> None:
    with bot.open() as predictor:
        predictor.decide(full_row())
        (bot.store.path / "pin.json").write_text("{}")
        predictor.reload_if_changed()
        predictor.decide(full_row())
    (said,) = [a for a in bot.alerts() if a.kind == "reload"]
    assert said.text.endswith(f"; {OLDER_TRIO.name} serves on")


def test_lines_that_were_lost_are_said(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradus_runtime.journal import folder

    with bot.open() as predictor:
        with monkeypatch.context() as broken:
            broken.setattr(
                folder.FolderSink, "write", lambda self, data, day: (_ for _ in ()).throw(OSError(28, "full"))
            )
            predictor.decide(full_row())
        predictor.decide(full_row())
    (said,) = [a for a in bot.alerts() if a.kind == "lost"]
    assert said.text == "trio: 1 decision before 2026-01-01T00:00:00Z has no line"


def test_drift_is_said_once_a_version(bot: Bot, tmp_path: Path) -> None:
    folder = variant(TRIO, tmp_path / "v", change=with_alarms())
    bot.manifests = manifests_of(folder)
    with Predictor.open(folder, max_age_days=1e5, journal=bot.journal, clock=bot.clock) as predictor:
        for i in range(300):
            predictor.decide(full_row(i % 32) | {"close": 1e6})
        (first,) = bot.alerts()
        predictor.decide(full_row())
        assert [a.id for a in bot.alerts()] == [first.id]
    assert first.kind == "drift"
    assert first.text.endswith("1 feature drifted from training: close")


def test_drift_of_a_version_without_alarm_levels_is_not_said(bot: Bot) -> None:
    with bot.open() as predictor:
        for i in range(300):
            predictor.decide(full_row(i % 32) | {"close": 1e6})
        assert bot.alerts() == []


def test_a_record_that_is_worse_than_promised_is_said() -> None:
    manifests = {"2026.1.4": promising(low=0.05, high=0.1)}
    limits, now = AlertLimits(BAR), START
    nothing = JournalContent((), (), 0, 0, 0, 0, ())
    good = build_record(made_up(20 * DAY), manifests, None)
    bad = build_record(made_up(20 * DAY, skill=0.0), manifests, None)
    assert "worse" not in kinds(find_alerts(nothing, manifests, good, limits, now))
    (said,) = [a for a in find_alerts(nothing, manifests, bad, limits, now) if a.kind == "worse"]
    assert said.text.startswith("trio: worse than promised")
    later = build_record(made_up(22 * DAY, skill=0.0), manifests, None)
    assert said.id in [a.id for a in find_alerts(nothing, manifests, later, limits, now)]


# ---------------------------------------------------------------- delivery

ALERTS = [Alert("aaaa0001", "level", "one"), Alert("aaaa0002", "drift", "two")]
URLS = ["json://one", "json://two"]


def test_each_alert_is_sent_once_to_each_destination(tmp_path: Path) -> None:
    got: list[tuple[str, str]] = []

    def send(url: str, text: str) -> bool:
        got.append((url, text))
        return True

    for _ in range(3):
        deliver(ALERTS, URLS, read_state(tmp_path / "state.json"), send)
    assert sorted(got) == sorted((u, a.message) for a in ALERTS for u in URLS)
    assert "json" not in (tmp_path / "state.json").read_text("utf-8").replace("gradus-watch", "")


def test_what_could_not_be_sent_is_tried_until_it_is(tmp_path: Path) -> None:
    answers = iter([False, False, False, True])
    results = [
        deliver(ALERTS[:1], URLS[:1], read_state(tmp_path / "state.json"), lambda url, text: next(answers))
        for _ in range(4)
    ]
    assert results == [(0, ["aaaa0001"])] * 3 + [(1, [])]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_costs_no_message_and_repeats_it_once(tmp_path: Path, when: str) -> None:
    """The process is killed before or after the message leaves, again and again."""
    log = tmp_path / "sent"
    log.touch()

    def send(url: str, text: str) -> bool:
        if when == "before" and crash:
            os.kill(os.getpid(), signal.SIGKILL)
        with log.open("a") as file:
            file.write(text + "\n")
        if crash:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def run() -> None:
        child = os.fork()
        if not child:
            deliver(ALERTS[:1], URLS[:1], read_state(tmp_path / "state.json"), send)
            os._exit(0)
        os.waitpid(child, 0)

    crash = True
    run()
    crash = False
    for _ in range(3):
        run()
    assert len(log.read_text().splitlines()) == (1 if when == "before" else 2)


def test_a_message_is_sent_at_most_twice_however_often_the_process_crashes(tmp_path: Path) -> None:
    log = tmp_path / "sent"
    log.touch()

    def send(url: str, text: str) -> bool:
        with log.open("a") as file:
            file.write(text + "\n")
        os.kill(os.getpid(), signal.SIGKILL)
        return True

    for _ in range(5):
        child = os.fork()
        if not child:
            deliver(ALERTS[:1], URLS[:1], read_state(tmp_path / "state.json"), send)
            os._exit(0)
        os.waitpid(child, 0)
    assert len(log.read_text().splitlines()) == 2


# ---------------------------------------------------------------- the command


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    with receiving() as found:
        yield found


def test_the_command_posts_to_a_url_and_a_dry_run_to_none(
    bot: Bot,
    tmp_path: Path,
    receiver: tuple[str, list[Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("apprise")
    url, got = receiver
    with bot.open() as predictor:
        predictor.decide(full_row())  # in January: silence since
    state = tmp_path / "state.json"
    arguments = [
        "watch",
        "--journal",
        str(bot.journal),
        "--store",
        str(bot.store.path),
        "--state",
        str(state),
    ]
    assert main([*arguments, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("silence: no decision since 2026-01-01T00:00:00Z: ")
    assert not state.exists()
    for _ in range(2):
        assert main([*arguments, "--to", url]) == 0
    assert len(got) == 1
    assert got[0]["message"].startswith("no decision since 2026-01-01T00:00:00Z")
    monkeypatch.setenv("GRADUS_NOTIFY", url + "other")
    assert main([*arguments, "--json"]) == 0
    assert len(got) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "a destination must be given"),
        (["--to", "nothing"], "a destination must be a URL that apprise knows"),
    ],
)
def test_a_watch_without_a_destination_is_refused(
    bot: Bot, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    pytest.importorskip("apprise")
    with bot.open() as predictor:
        predictor.decide(full_row())
    shared = ["watch", "--journal", str(bot.journal), "--store", str(bot.store.path)]
    assert main([*shared, *arguments]) == 2
    assert text in capsys.readouterr().err


def test_a_destination_that_does_not_answer_ends_with_3(
    bot: Bot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("apprise")
    with bot.open() as predictor:
        predictor.decide(full_row())
    shared = ["watch", "--journal", str(bot.journal), "--store", str(bot.store.path)]
    code = main([*shared, "--state", str(tmp_path / "s"), "--to", "json://127.0.0.1:1/"])
    assert code == 3
    assert "1 could not be sent" in capsys.readouterr().out
