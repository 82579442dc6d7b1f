"""`gradus decide`: candles in, decision out, once for a file and a line at a time."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.test_features_travel import made as made  # the same artifact, one for this module

from gradus_runtime import Predictor
from gradus_runtime.cli.main import main
from gradus_runtime.store import Store

GRADUS = [sys.executable, "-c", "from gradus_runtime.cli.main import main; raise SystemExit(main())"]
BAR_S = 900


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def candles(made: Path) -> list[dict[str, str]]:
    return rows(made / "market/candles.csv")


def write_csv(path: Path, part: list[dict[str, str]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(part[0]))
        writer.writeheader()
        writer.writerows(part)
    return str(path)


@pytest.fixture
def tail(candles: list[dict[str, str]], tmp_path: Path) -> str:
    return write_csv(tmp_path / "tail.csv", candles[-700:])


def decisions(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_file_of_candles_gives_the_decision_of_decide_candles(
    made: Path, candles: list[dict[str, str]], tail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    daily = str(made / "market/macro.csv")
    want = Predictor.open(made / "own").decide_candles(candles[-700:], rows(made / "market/macro.csv"))
    command = ["decide", "--store", str(made / "own"), "--candles", tail, "--daily", daily]
    assert main([*command, "--json"]) == 0
    (got,) = decisions(capsys.readouterr().out)
    assert want.level == "all"
    assert got["probabilities"] == dict(want.probabilities)
    assert (got["action"], got["level"], got["version"]) == (want.action, want.level, want.version)
    assert want.bar_time is not None
    assert got["bar"] == f"{want.bar_time:%Y-%m-%dT%H:%M:%SZ}"
    assert main(command) == 0
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (line["bar"], line["action"], line["level"]) == (got["bar"], got["action"], "all")
    assert main([*command, "--unavailable", "rates", "--json"]) == 0
    assert decisions(capsys.readouterr().out)[0]["level"] == "alone"


def test_a_file_may_be_json_lines_and_a_line_that_cannot_be_read_is_left_out(
    made: Path, candles: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(row) for row in candles[-700:]]
    (tmp_path / "tail.jsonl").write_text("\n".join([*lines[:600], "{torn", *lines[601:]]))
    assert main(["decide", str(made / "own"), "--candles", str(tmp_path / "tail.jsonl"), "--json"]) == 1
    said = capsys.readouterr()
    assert "line 601: not a JSON object: left out" in said.err
    whole = Predictor.open(made / "own").decide_candles(candles[-700:-100] + candles[-99:])
    assert decisions(said.out)[0]["probabilities"] == dict(whole.probabilities)


class Stream:
    """A running `gradus decide --stream`, a line at a time."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            [*GRADUS, *command, "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> dict[str, Any]:
        """Write a line and read the answer to it; a header has none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def end(self) -> int:
        _, self.said = self.process.communicate(timeout=600)
        return self.process.returncode


@pytest.fixture
def running(made: Path, candles: list[dict[str, str]], tmp_path: Path) -> Iterator[Stream]:
    store = tmp_path / "store"
    source = Store(made / "own")
    copy = subprocess.run(["cp", "-r", str(source.path), str(store)], check=True)
    assert copy.returncode == 0
    history = write_csv(tmp_path / "history.csv", candles[:1500])
    command = ["decide", "--store", str(store), "--candles", history, "--stream"]
    stream = Stream([*command, "--daily", str(made / "market/macro.csv")])
    yield stream
    if stream.process.returncode is None:
        assert stream.end() == 0


def test_a_stream_answers_every_line_at_once_and_goes_on_after_bad_ones(
    made: Path, candles: list[dict[str, str]], running: Stream
) -> None:
    bot, daily = Predictor.open(made / "own"), rows(made / "market/macro.csv")
    running.say(",".join(candles[0]))
    for i in range(1500, 1510):
        got = running.ask(",".join(candles[i].values()))
        want = bot.decide_candles(candles[: i + 1], daily)
        assert got["bar"] == candles[i]["timestamp"]
        assert (got["probabilities"], got["reasons"]) == (dict(want.probabilities), [])
    torn = running.ask("2026,1")
    assert (torn["bar"], torn["probabilities"]) == (got["bar"], got["probabilities"])
    assert torn["reasons"] == ["line 12: 2 cells, the header has 7"]
    wrong = running.ask(",".join({**candles[1510], "high": "1"}.values()))
    rule = "1 candle counts as missing: high must be the highest, first"
    assert wrong["reasons"] == [f"{rule} {candles[1510]['timestamp']}"]
    after = running.ask(",".join(candles[1511].values()))
    assert after["reasons"] == ["bridged 1 bar"]
    late = running.ask(",".join(candles[1510].values()))
    assert (late["bar"], late["reasons"]) == (candles[1511]["timestamp"], [])
    assert late["probabilities"] == dict(bot.decide_candles(candles[:1512], daily).probabilities)
    assert running.end() == 1
    assert running.said.splitlines() == ["gradus decide: line 12: 2 cells, the header has 7: left out"]


def test_a_stream_follows_the_pin(
    made: Path, candles: list[dict[str, str]], running: Stream, tmp_path: Path
) -> None:
    store = str(tmp_path / "store")
    running.say(",".join(candles[0]))
    assert running.ask(",".join(candles[1500].values()))["version"] == "2026.1.2"
    convert = ["convert", "--run", str(made / "run"), "--store", store, "--version", "2026.1.3"]
    convert += ["--config", str(made / "artifact.toml"), "--pin-anyway", "--no-third-opinion", "--no-gate"]
    assert main(convert) == 0
    after = running.ask(",".join(candles[1501].values()))
    assert (after["version"], after["level"]) == ("2026.1.3", "all")


def test_a_stream_needs_no_history_and_waits_for_the_end_of_a_bar(
    made: Path, candles: list[dict[str, str]]
) -> None:
    stream = Stream(["decide", str(made / "own"), "--stream"])
    first = stream.ask(json.dumps(candles[0]))
    assert (first["level"], first["bar"]) == ("fallback", candles[0]["timestamp"])
    missing = stream.ask('{"close": 1}')
    assert "candles must have the columns" in missing["reasons"][-1]
    running = datetime.now(UTC).timestamp() // BAR_S * BAR_S
    waits = stream.ask(json.dumps({**candles[1], "timestamp": int(running * 1000)}))
    assert waits["bar"] == candles[0]["timestamp"]
    assert any("is still running and was left out" in r or "no bar after" in r for r in waits["reasons"])
    assert stream.end() == 1
    assert "line 2: candles: candles must have the columns" in stream.said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "candles must be given"),
        (["--candles", "-"], "standard input must be a stream of candles"),
        (["--candles", "nowhere.csv"], "nowhere.csv: a file must exist"),
        (["--candles", "/"], "/: a file must be given, not a folder"),
        (["--candles", "/dev/null", "--daily", "nowhere.csv"], "nowhere.csv: a file must exist"),
    ],
)
def test_what_cannot_be_read_is_wrong_use(
    made: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decide", str(made / "own"), *more]) == 2
    assert said in capsys.readouterr().err


def test_a_version_without_a_graph_says_so(tail: str, capsys: pytest.CaptureFixture[str]) -> None:
    pair = str(Path(__file__).parent / "golden/pair/2026.11.21")
    assert main(["decide", pair, "--candles", tail]) == 2
    assert "a version must carry its features to take candles" in capsys.readouterr().err


def decide(made: Path, *more: str) -> int:
    return main(["decide", str(made / "own"), *more, "--json"])


def test_lines_of_which_not_one_can_be_read_end_with_1_and_a_hint_at_the_comma(
    made: Path, candles: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commas = [",".join(candles[0]), *(",".join(row.values()).replace(".", ",") for row in candles[:9])]
    (tmp_path / "tail.csv").write_text("\n".join(commas))
    assert decide(made, "--candles", str(tmp_path / "tail.csv")) == 1
    said = capsys.readouterr()
    assert decisions(said.out)[0]["level"] == "fallback"
    assert "if these are decimal commas, write 1.5 instead of 1,5: left out" in said.err
    assert "tail.csv: 9 rows could not be read and were left out, all of them" in said.err
    assert "tail.csv: not one candle could be used" in said.err


def test_semicolons_and_decimal_commas_end_with_1_and_a_hint_at_the_comma(
    made: Path, candles: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_ = [{**row, "close": "7,25"} for row in candles[:3]]
    lines = [";".join(candles[0]), *(";".join(row.values()) for row in rows_)]
    (tmp_path / "tail.csv").write_text("\n".join(lines))
    assert decide(made, "--candles", str(tmp_path / "tail.csv")) == 1
    said = capsys.readouterr().err
    hint = "numbers must have a decimal point: write 7.25, not 7,25"
    assert f"tail.csv: 3 of 3 candles count as missing: {hint}" in said
    assert "tail.csv: not one candle could be used" in said


def test_a_candle_that_breaks_a_rule_is_said_and_is_no_failure(
    made: Path, candles: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "tail.csv", [*candles[-700:-2], {**candles[-2], "volume": "-1"}, candles[-1]])
    assert decide(made, "--candles", path) == 0
    said = capsys.readouterr()
    assert "tail.csv: 1 of 700 candles count as missing" in said.err
    assert any("volume must be at least 0" in reason for reason in decisions(said.out)[0]["reasons"])


def test_a_stream_of_which_no_line_can_be_used_ends_with_1(
    made: Path, candles: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Stream(["decide", str(made / "own"), "--stream"])
    for row in candles[:2]:
        answer = stream.ask(json.dumps({**row, "close": "7,25"}))
        assert answer["reasons"][-1].endswith("numbers must have a decimal point: write 7.25, not 7,25")
    assert stream.end() == 1
    assert stream.said == "gradus decide: standard input: not one candle could be used\n"


def test_an_error_about_columns_names_the_file_and_what_is_missing(
    made: Path, candles: list[dict[str, str]], tail: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(
        tmp_path / "few.csv", [{k: v for k, v in row.items() if k != "volume"} for row in candles[:9]]
    )
    there = ", ".join(name for name in candles[0] if name != "volume")
    assert decide(made, "--candles", path) == 2
    said = capsys.readouterr().err
    assert f"{path}: candles must have the columns" in said
    assert f"low, close and volume: volume is missing; the columns are {there}" in said
    for more in ([], ["--stream"]):
        assert decide(made, "--candles", tail, "--daily", daily_of_other_columns(tmp_path), *more) == 2
        said = capsys.readouterr().err
        assert "other.csv: daily values must have a column date: date is missing" in said
        assert "the columns are a, b" in said


def daily_of_other_columns(folder: Path) -> str:
    (folder / "other.csv").write_text("a,b\n1,2\n")
    return str(folder / "other.csv")


def test_what_is_no_regular_file_is_read(
    made: Path, tail: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decide(made, "--candles", "/dev/null") == 1
    assert "/dev/null: not one candle could be used" in capsys.readouterr().err
    assert decide(made, "--candles", tail) == 0
    want = capsys.readouterr().out
    words = f"exec {sys.executable} -c '{GRADUS[2]}' decide {made / 'own'} --json --candles <(cat {tail})"
    got = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=True)
    assert got.stdout == want
