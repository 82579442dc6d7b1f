"""The journal: what a line holds, who may write where, and that nothing it does changes an answer."""

from __future__ import annotations

import base64
import dataclasses
import errno
import io
import json
import math
import os
import signal
import struct
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import OLDER_TRIO, TRIO, TRIO_NAMES, full_row, golden_rows, trio_store

from gradus_runtime import Decision, Predictor, Store, UsageError
from gradus_runtime.journal import folder as folders
from gradus_runtime.journal import read_journal
from gradus_runtime.journal.line import DecisionLine
from gradus_runtime.monitoring.drift_report import DriftReport
from gradus_runtime.serving.candle_features import BarFeatures, CandleFeatures

BAR = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ROWS: dict[str, dict[str, Any]] = {
    "full": full_row(),
    "without a group": {k: v for k, v in full_row(1).items() if k not in ("usd_jpy", "vix", "dxy")},
    "odd values": full_row(2) | {"close": Decimal("1.5"), "vix": math.inf, "dxy": "text", "else": 3},
    "integers": dict.fromkeys(TRIO_NAMES, 1),
    "numpy": {k: np.float32(v) for k, v in full_row(3).items()},
    "empty": {},
}


def open_bot(source: Any = TRIO, **options: Any) -> Predictor:
    return Predictor.open(source, **{"max_age_days": 100_000, **options})


def lines(folder: Path) -> list[DecisionLine]:
    content = read_journal([folder])
    assert content.damaged == ()
    return list(content.decisions)


def bare(decision: Decision) -> Decision:
    return dataclasses.replace(decision, id=None, bar_time=None)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).timestamp()

    def __call__(self) -> float:
        return self.now


# ---------------------------------------------------------------- the answer


@pytest.mark.parametrize("options", [{"journal_rows": True}, {"journal_rows": False}, {"sync": "never"}])
def test_a_journal_changes_no_bit_of_an_answer(journal: Path, options: dict[str, Any]) -> None:
    requests: list[dict[str, Any]] = [
        {},
        {"fill": {"macro": 0.0}},
        {"unavailable": ["macro"]},
        {"min_level": "level1"},
        {"confidence_threshold": 0.999},
        {"use_confidence": False},
    ]
    with open_bot() as plain, open_bot(journal=journal, **options) as bot:
        known = plain.info()
        group = known.levels[0].groups[-1]
        for request in requests:
            named = {k: {group: 0.0} if k == "fill" else v for k, v in request.items()}
            named = {k: [group] if k == "unavailable" else v for k, v in named.items()}
            for row in ROWS.values():
                expected = plain.decide(row, **named)
                got = bot.decide(row, at=BAR, **named)
                assert bare(got) == expected
                assert struct.pack("3d", *got.probabilities.values()) == struct.pack(
                    "3d", *expected.probabilities.values()
                )
        assert plain.drift() == bot.drift()
    assert len(lines(journal)) == len(requests) * len(ROWS)


def test_a_bot_without_a_journal_gives_no_ids_and_repeats_the_bar() -> None:
    with open_bot() as bot:
        assert (bot.decide(full_row()).id, bot.decide(full_row()).bar_time) == (None, None)
        decision = bot.decide(full_row(), at="2026-01-01T09:00:00+09:00")
        assert (decision.id, decision.bar_time) == (None, datetime(2026, 1, 1, tzinfo=UTC))
        assert bot.health().journal is None


@pytest.mark.parametrize(
    "at",
    [
        BAR,
        float(BAR),
        np.int64(BAR),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))),
        np.datetime64("2026-01-01T00:00:00"),
        "2026-01-01T00:00:00Z",
    ],
)
def test_a_bar_is_named_in_any_usual_way(at: Any) -> None:
    with open_bot() as bot:
        assert bot.decide(full_row(), at=at).bar_time == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (BAR // 1000, "a moment must be in milliseconds since 1970, but got 1767225600"),
        (datetime(2026, 1, 1), "a moment must say its offset from UTC"),
        ("yesterday", "a moment must be ISO 8601, but got 'yesterday'"),
        (math.nan, "a moment must be in milliseconds"),
        ([BAR], "a moment must be a number, a datetime or text"),
        (True, "a moment must be a number"),
    ],
)
def test_a_bar_that_is_no_moment_is_refused(at: Any, text: str) -> None:
    with open_bot() as bot, pytest.raises(UsageError, match=text):
        bot.decide(full_row(), at=at)


# ---------------------------------------------------------------- the line


def test_a_line_holds_all_that_reproduces_its_decision(journal: Path) -> None:
    with open_bot(journal=journal, clock=Clock("2026-01-01T00:15:01.25+00:00")) as bot:
        decision = bot.decide(full_row(4), at=BAR)
        digest = bot.info().digest
    (line,) = lines(journal)
    assert line.id == decision.id
    assert (line.decided, line.bar) == ("2026-01-01T00:15:01.250000Z", "2026-01-01T00:00:00.000000Z")
    assert (line.artifact, line.version, line.digest) == ("trio", decision.version, digest)
    assert (line.level, line.action, line.reasons) == (decision.level, decision.action, decision.reasons)
    assert line.call == max(decision.probabilities, key=lambda name: decision.probabilities[name])
    given = np.array(list(decision.probabilities.values()), np.float32)
    assert line.bits == given.astype(">f4").tobytes().hex()
    assert line.probabilities.tobytes() == given.tobytes()
    assert line.values is not None
    assert line.values.tobytes() == golden_rows()["features"][4].astype("<f4").tobytes()
    assert (line.row_sha256, line.bins, line.fill) == (None, None, None)


def test_missing_and_unavailable_values_are_nan_in_a_line_and_fillings_are_named(journal: Path) -> None:
    with open_bot(journal=journal) as bot:
        group = bot.info().levels[0].groups[-1]
        members = [f.name for f in bot._active[0].manifest.features if f.group == group]
        bot.decide(full_row() | {"close": None})
        bot.decide(full_row(), unavailable=[group])
        bot.decide({k: v for k, v in full_row().items() if k not in members}, fill={group: 2.0})
    first, second, third = (line.values for line in lines(journal))
    assert first is not None
    assert second is not None
    assert third is not None
    assert [n for n, v in zip(TRIO_NAMES, first, strict=True) if v != v] == ["close"]
    assert [n for n, v in zip(TRIO_NAMES, second, strict=True) if v != v] == members
    assert np.isnan(third).sum() == len(members)
    assert lines(journal)[2].fill == dict.fromkeys(members, 2.0)


def test_a_journal_without_rows_holds_digest_and_bins(journal: Path) -> None:
    with open_bot(journal=journal, journal_rows=False) as bot:
        bot.decide(full_row())
        manifest = bot._active[0].manifest
    (line,) = lines(journal)
    row = golden_rows()["features"][0].astype("<f4")
    import hashlib

    assert (line.row, line.row_sha256) == (None, hashlib.sha256(row.tobytes()).hexdigest())
    assert line.bins is not None
    expected = [
        int(np.searchsorted(f.histogram.edges, v, side="left")) if f.histogram else 0
        for f, v in zip(manifest.features, row, strict=True)
    ]
    assert list(base64.b64decode(line.bins)) == expected


def test_files_are_for_their_owner_alone(journal: Path) -> None:
    before = os.umask(0)
    try:
        with open_bot(journal=journal) as bot:
            bot.decide(full_row())
    finally:
        os.umask(before)
    (file,) = journal.iterdir()
    assert (file.stat().st_mode & 0o777, journal.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_decision_on_candles_is_written_with_what_was_left_out_of_them(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = BarFeatures(full_row(), datetime(2026, 1, 1, tzinfo=UTC), ("2 candles were read as missing",))
    monkeypatch.setattr(CandleFeatures, "of", lambda self, *candles: made)
    with open_bot() as plain, open_bot(journal=journal) as bot:
        expected, decision = plain.decide_candles([]), bot.decide_candles([])
    assert decision.reasons == expected.reasons == ("2 candles were read as missing",)
    (line,) = lines(journal)
    assert (line.id, line.reasons, line.bar_ms) == (decision.id, decision.reasons, BAR)


def test_predict_writes_only_if_asked(journal: Path) -> None:
    table = [full_row(i) for i in range(5)] + [{}]
    bars = [BAR + 900_000 * i for i in range(6)]
    with open_bot(journal=journal) as bot:
        bot.predict(table)
        assert lines(journal) == []
        predictions = bot.predict(table, journal=True, at=bars)
        found = lines(journal)
        assert [line.bar_ms for line in found] == bars
        assert [line.action for line in found] == list(predictions.actions)
        assert [line.level for line in found] == list(predictions.levels)
        for line, given in zip(found, predictions.probabilities, strict=True):
            assert line.probabilities.tobytes() == given.tobytes()
        with pytest.raises(UsageError, match="6 rows need 6 bars"):
            bot.predict(table, journal=True, at=bars[1:])
    with open_bot() as bot, pytest.raises(UsageError, match="a journal must be kept"):
        bot.predict(table, journal=True)


def test_events_tell_the_life_of_a_process(tmp_path: Path, journal: Path) -> None:
    store = trio_store(tmp_path / "store", pinned=OLDER_TRIO.name)
    with open_bot(store.path, journal=journal) as bot:
        bot.decide(full_row())
        store.pin(TRIO.name, actor="test")
        assert bot.reload_if_changed()
        (tmp_path / "store" / "pin.json").write_text("{")
        assert not bot.reload_if_changed()
    events = read_journal([journal]).events
    told = [(e.event, e.version, e.generation, e.status) for e in events]
    assert told == [
        ("opened", OLDER_TRIO.name, 1, "ok"),
        ("version", TRIO.name, 2, "ok"),
        ("health", TRIO.name, 2, "degraded"),
        ("closed", TRIO.name, 2, "degraded"),
    ]
    assert "a key must be present" in events[2].problems[0] or "JSON" in events[2].problems[0]
    assert {e.pid for e in events} == {os.getpid()}


# ---------------------------------------------------------------- files


def test_a_torn_last_line_is_cut_off_at_opening_and_one_of_a_running_process_is_not(journal: Path) -> None:
    with open_bot(journal=journal) as bot:
        bot.decide(full_row())
        (held,) = journal.iterdir()
        whole = held.read_bytes()
        with held.open("ab") as file:
            file.write(b'{"gradus":"decision/1"')  # as if it were about to be finished
        torn = journal / "2020-01-01.0001.jsonl"
        torn.write_bytes(whole + b'{"gradus"')
        other = journal / "notes.jsonl"
        other.write_bytes(b"no newline")
        content = read_journal([journal])
        assert (content.torn, len(content.decisions)) == (2, 1)
        with open_bot(journal=journal):
            assert torn.read_bytes() == whole
            assert held.read_bytes() == whole + b'{"gradus":"decision/1"'
            assert other.read_bytes() == b"no newline"


def test_processes_have_files_of_their_own_and_the_next_one_continues_a_free_file(journal: Path) -> None:
    with open_bot(journal=journal) as first, open_bot(journal=journal) as second:
        first.decide(full_row())
        second.decide(full_row())
        assert len(list(journal.iterdir())) == 2
    with open_bot(journal=journal) as third:
        third.decide(full_row())
    assert len(list(journal.iterdir())) == 2
    ids = [line.id for line in lines(journal)]
    assert len(set(ids)) == 3


def test_without_locks_every_process_has_a_new_file(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(folders.fcntl, "flock", refuse)
    for _ in range(2):
        with open_bot(journal=journal) as bot:
            bot.decide(full_row())
    assert len(lines(journal)) == 2
    assert len([p for p in journal.iterdir() if p.stat().st_size]) == 2


def test_a_new_day_and_a_full_file_begin_a_new_one(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock("2026-01-01T23:59:59+00:00")
    with open_bot(journal=journal, clock=clock) as bot:
        bot.decide(full_row())
        clock.set("2026-01-02T00:00:00+00:00")
        bot.decide(full_row())
        monkeypatch.setattr(folders, "MAX_BYTES", 100)
        bot.decide(full_row())
    names = sorted(p.name for p in journal.iterdir())
    assert names[:2] == ["2026-01-01.0001.jsonl", "2026-01-02.0001.jsonl"]
    assert names[2] == "2026-01-02.0002.jsonl"
    assert len(lines(journal)) == 3


def test_a_file_that_was_removed_is_not_written_to(journal: Path) -> None:
    with open_bot(journal=journal) as bot:
        bot.decide(full_row())
        (file,) = journal.iterdir()
        file.unlink()
        bot.decide(full_row())
    assert len(lines(journal)) == 1


def test_a_forked_process_writes_to_a_file_of_its_own(journal: Path) -> None:
    with open_bot(journal=journal) as bot:
        bot.decide(full_row())
        child = os.fork()
        if not child:
            bot.decide(full_row())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        bot.decide(full_row())
    assert len({line.id for line in lines(journal)}) == 3
    assert sorted(len(read_journal([p]).decisions) for p in journal.iterdir()) == [1, 2]


def test_lines_of_many_threads_are_whole(journal: Path) -> None:
    with open_bot(journal=journal, sync="never") as bot:
        expected: list[str | None] = []

        def work() -> None:
            expected.extend(bot.decide(full_row(i % 32)).id for i in range(50))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(line.id for line in lines(journal)) == sorted(map(str, expected))


@pytest.mark.parametrize("sync", ["decision", "never"])
def test_no_acknowledged_line_is_lost_when_a_process_is_killed(journal: Path, sync: str) -> None:
    acknowledged = []
    for round_ in range(4):
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            with open_bot(journal=journal, sync=sync) as bot:
                while True:
                    os.write(writable, f"{bot.decide(full_row()).id}\n".encode())
        os.close(writable)
        with os.fdopen(readable, encoding="ascii") as pipe:
            acknowledged += [pipe.readline().strip() for _ in range(7 + 13 * round_)]
            os.kill(child, signal.SIGKILL)
            acknowledged += [line.strip() for line in pipe if line.endswith("\n")]
        os.waitpid(child, 0)
    assert set(acknowledged) <= {line.id for line in lines(journal)}
    assert len(list(journal.iterdir())) == 1


# ---------------------------------------------------------------- faults


class FailingOs:
    """The module `os`, whose calls of one name fail while told to, a write after half of its bytes."""

    def __init__(self, call: str, code: int) -> None:
        self.failing = False
        self._call, self._code = call, code

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != self._call or not self.failing:
            return real

        def fail(*args: Any, **options: Any) -> Any:
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            raise OSError(self._code, os.strerror(self._code))

        return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["write", "open", "fdatasync", "fstat"])
def test_a_disk_that_fails_costs_lines_and_nothing_else(
    journal: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str, code: int
) -> None:
    faulty = FailingOs(call, code)
    monkeypatch.setattr(folders, "os", faulty)
    clock = Clock("2026-01-01T00:00:00+00:00")
    with open_bot() as plain, open_bot(journal=journal, clock=clock) as bot:
        bot.decide(full_row())
        faulty.failing = True
        clock.set("2026-01-02T00:00:00+00:00")  # so that a file has to be opened, too
        for i in range(3):
            assert bare(bot.decide(full_row(i))) == plain.decide(full_row(i))
        health = bot.health()
        assert health.journal is not None
        assert health.status == "degraded"
        assert os.strerror(code) in str(health.journal.problem)
        assert health.journal.lost == 3
        assert 'gradus_journal_ok{artifact="trio"} 0' in bot.metrics()
        faulty.failing = False
        assert bare(bot.decide(full_row(3))) == plain.decide(full_row(3))
        health = bot.health()
        assert (health.status, health.journal and health.journal.problem) == ("ok", None)
        assert health.journal == dataclasses.replace(health.journal, written=2, lost=3)  # type: ignore[type-var]
    content = read_journal([journal])
    assert content.torn == 0
    assert content.damaged == ()
    assert [e.lost for e in content.events if e.event == "lost"] == [3]
    said = [r.message for r in caplog.records if "journal:" in r.message]
    assert len(said) == 1


def test_a_disk_that_failed_to_sync_is_not_trusted_with_the_same_file(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = FailingOs("fdatasync", errno.EIO)
    monkeypatch.setattr(folders, "os", faulty)
    with open_bot(journal=journal) as bot:
        faulty.failing = True
        bot.decide(full_row())
        faulty.failing = False
        bot.decide(full_row())
    assert len(list(journal.iterdir())) >= 2


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is due")
    with open_bot(journal=blocked / "journal") as bot:
        assert bot.decide(full_row()).action
        assert bot.health().status == "degraded"
        blocked.unlink()
        assert bot.decide(full_row()).action
        assert bot.health().status == "ok"
    assert len(lines(blocked / "journal")) == 1


def test_a_stream_gets_the_lines_and_may_be_closed(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with open_bot(journal="-") as bot, open_bot(journal=stream) as other:
        first, second = bot.decide(full_row()), other.decide(full_row())
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [t["gradus"] for t in told] == ["event/1", "decision/1"]
        assert told[1]["id"] == first.id
        assert json.loads(stream.getvalue().splitlines()[1])["id"] == second.id
        stream.close()
        assert bare(other.decide(full_row())) == bare(first)
        assert "I/O operation on closed file" in str(other.health().journal)


def test_lines_of_processes_that_share_a_pipe_stay_whole(tmp_path: Path) -> None:
    """As of workers whose standard error a container keeps; tables write many lines at once."""
    readable, writable = os.pipe()
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            with os.fdopen(writable, "w", encoding="ascii") as stream, open_bot(journal=stream) as bot:
                for _ in range(5):
                    bot.predict([full_row(i % 32) for i in range(100)], journal=True)
                    bot.decide(full_row())
                bot.close()
                os._exit(0)
        children.append(child)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        (tmp_path / "kept.log").write_bytes(pipe.read())
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    content = read_journal([tmp_path / "kept.log"])
    assert (content.foreign, content.damaged, content.torn) == (0, (), 0)
    assert len(content.decisions) == 4 * 5 * 101


def test_a_stream_gets_each_line_by_a_call_of_its_own() -> None:
    class Kept(list[str]):
        write = list.append

    kept = Kept()
    with open_bot(journal=kept) as bot:
        bot.predict([full_row(i) for i in range(5)], journal=True)
    assert len(kept) == 7  # opened, five decisions, closed
    assert all(json.loads(line) and line.index("\n") == len(line) - 1 for line in kept)


def test_a_stream_on_a_full_disk_costs_lines_and_nothing_else() -> None:
    full = Path("/dev/full").open("w", encoding="ascii")  # noqa: SIM115 (closing it fails, as it must)
    with open_bot() as plain, open_bot(journal=full) as bot:
        for i in range(20):
            assert bare(bot.decide(full_row(i))) == plain.decide(full_row(i))
        health = bot.health()
        assert health.status == "degraded"
        assert health.journal is not None
        assert os.strerror(errno.ENOSPC) in str(health.journal.problem)
        assert health.journal.lost == 20
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        full.close()


def test_a_stream_may_raise_anything() -> None:
    class Broken:
        def write(self, text: str) -> None:
            raise KeyError("no such thing")

    with open_bot(journal=Broken()) as bot:
        assert bot.decide(full_row()).action
        assert "KeyError" in str(bot.health().journal)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"journal": 3}, 'a journal must be a folder, "-" or a stream, but got 3'),
        ({"journal": TRIO / "manifest.json"}, "journal: a journal must be a folder"),
        ({"journal": "-", "sync": "always"}, "sync must be one of decision, second, never"),
    ],
)
def test_a_journal_that_is_none_is_refused_at_opening(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        open_bot(**options)


# ---------------------------------------------------------------- syncing


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts syncs of files."""
    count = threading.Semaphore(0)
    real = folders._fdatasync

    def sync(file: int) -> None:
        real(file)
        count.release()

    monkeypatch.setattr(folders, "_fdatasync", sync)
    return count


def test_sync_says_when_a_line_is_on_disk(journal: Path, synced: threading.Semaphore) -> None:
    def count() -> int:
        return len(list(iter(lambda: synced.acquire(blocking=False), False)))

    with open_bot(journal=journal / "a", sync="decision") as bot:
        count()
        bot.decide(full_row())
        assert count() == 1
    with open_bot(journal=journal / "b", sync="never") as bot:
        count()
        bot.decide(full_row())
        assert count() == 0
    assert count() == 0
    with open_bot(journal=journal / "c", sync="second") as bot:
        bot.decide(full_row())
        assert synced.acquire(timeout=60)


# ---------------------------------------------------------------- drift


@pytest.mark.parametrize("rows", [True, False])
def test_drift_counts_survive_restarts_and_reloads(tmp_path: Path, journal: Path, rows: bool) -> None:
    table: list[dict[str, Any]] = [full_row(i % 32) for i in range(40)] + list(ROWS.values())
    store = trio_store(tmp_path / "store", pinned=TRIO.name)

    def report(bot: Predictor) -> DriftReport:
        found = bot.drift(alpha=0.5)
        return dataclasses.replace(found, confidence_mean=round(found.confidence_mean or 0.0, 9))

    with open_bot(store.path) as plain:
        for row in table:
            plain.decide(row)
        expected = report(plain)
    options = {"journal": journal, "journal_rows": rows, "sync": "never"}
    for part in (table[:10], table[10:30]):
        with open_bot(store.path, **options) as bot:
            for row in part:
                bot.decide(row)
    with open_bot(store.path, **options) as bot:
        for row in table[30:]:
            bot.decide(row)
        assert report(bot) == expected
        store.pin(OLDER_TRIO.name, actor="test")
        assert bot.reload_if_changed()
        assert bot.drift().rows == 0
        store.pin(TRIO.name, actor="test")
        assert bot.reload_if_changed()
        assert report(bot) == expected


# ---------------------------------------------------------------- reading


def test_lines_of_exported_logs_are_read_once_and_foreign_lines_are_counted(
    tmp_path: Path, journal: Path
) -> None:
    with open_bot(journal=journal) as bot:
        for i in range(4):
            bot.decide(full_row(i), at=BAR + i)
    (file,) = journal.iterdir()
    own = [line for line in file.read_text("ascii").splitlines() if "decision/1" in line]
    exported = [
        json.dumps({"insertId": "x", "jsonPayload": json.loads(own[0]), "severity": "DEFAULT"}),
        json.dumps({"textPayload": own[1], "labels": {"gradus": "bot"}}),
        json.dumps({"log": own[2] + "\n", "stream": "stderr", "time": "2026-01-01T00:00:00Z"}),
        own[3],
        own[3],
        "Starting gunicorn",
        '{"level": "info", "message": "gradus is up"}',
        '{"message": 5, "x": "gradus"}',
        "gradus " + "[" * 5000,
    ]
    log = tmp_path / "exported.log"
    log.write_text("\n".join(exported) + "\n", "ascii")
    content = read_journal([log])
    assert [line.bar_ms for line in content.decisions] == [BAR, BAR + 1, BAR + 2, BAR + 3]
    assert (content.lines, content.foreign, content.repeated, content.torn) == (9, 4, 1, 0)
    log.write_text("\n".join(exported), "ascii")  # the last line may lack its newline
    assert len(read_journal([log]).decisions) == 4
    assert read_journal([log, journal]).decisions == read_journal([journal]).decisions


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bits": "xyz"}, "bits must be 8 hexadecimal digits a class"),
        ({"row": "AAA"}, "row must be base64 of 4 bytes a feature"),
        ({"row": "AAAA"}, "row must be base64 of 4 bytes a feature"),
        ({"decided": "today"}, "a moment must be ISO 8601 in UTC"),
        ({"bar": "2026-01-01"}, "a moment must be ISO 8601 in UTC"),
        ({"digest": "abc"}, "a digest must be a SHA-256"),
        ({"took": "fast"}, "an integer is needed"),
        ({"gradus": "decision/9"}, "A newer gradus-runtime may read it"),
        ({"more": 1}, "a key must be known"),
    ],
)
def test_a_damaged_line_is_named_and_passed_over(journal: Path, change: dict[str, Any], text: str) -> None:
    with open_bot(journal=journal) as bot:
        bot.decide(full_row())
        bot.decide(full_row())
    (file,) = journal.iterdir()
    found = [json.loads(line) for line in file.read_text("ascii").splitlines()]
    found[1] |= change
    file.write_text("".join(json.dumps(value) + "\n" for value in found), "ascii")
    content = read_journal([file])
    assert len(content.decisions) == 1
    assert len(content.damaged) == 1
    assert f"{file}:2" in content.damaged[0]
    assert text in content.damaged[0]


def test_a_journal_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a journal must exist"):
        read_journal([tmp_path / "none"])


def test_the_store_and_the_journal_may_share_a_folder(tmp_path: Path) -> None:
    store = trio_store(tmp_path / "store")
    with open_bot(store.path, journal=store.path) as bot:
        bot.decide(full_row())
    assert Store(store.path).history()
    assert len(read_journal([store.path]).decisions) == 1
