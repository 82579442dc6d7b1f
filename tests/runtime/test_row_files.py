"""Files of rows: told by content, never shifted, never guessed; what cannot be read is said."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, trio_store

from gradus_runtime import Predictor
from gradus_runtime.cli import main

SOURCE = str(TRIO)
GRADUS = [sys.executable, "-c", "import sys; from gradus_runtime.cli import main; sys.exit(main())"]
ROWS = [full_row(0), full_row(1), {name: v for name, v in full_row(2).items() if name != "vix"}]
LEVELS = ["level1", "level1", "level2"]


def delimited(rows: list[dict[str, Any]], separator: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, TRIO_NAMES, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def json_lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def send(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `data` the standard input of this process."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))


WRITERS: dict[str, Callable[[], bytes]] = {
    "comma": lambda: delimited(ROWS).encode(),
    "semicolon": lambda: delimited(ROWS, ";").encode(),
    "tab": lambda: delimited(ROWS, "\t").encode(),
    "blanks around names and cells": lambda: delimited(ROWS).replace(",", " , ").encode(),
    "names in quotes": lambda: (
        ",".join(f'"{n}"' for n in TRIO_NAMES) + "\n" + delimited(ROWS).split("\n", 1)[1]
    ).encode(),
    "with a BOM": lambda: delimited(ROWS).encode("utf-8-sig"),
    "semicolon with a BOM": lambda: delimited(ROWS, ";").encode("utf-8-sig"),
    "lines of Windows": lambda: delimited(ROWS).replace("\n", "\r\n").encode(),
    "empty lines first": lambda: b"\n  \n" + delimited(ROWS).encode(),
    "JSON Lines": lambda: json_lines(ROWS).encode(),
    "JSON Lines after an empty line": lambda: b"\n\n" + json_lines(ROWS).encode(),
    "JSON Lines with a BOM": lambda: json_lines(ROWS).encode("utf-8-sig"),
    "a JSON array": lambda: json.dumps(ROWS).encode(),
    "a JSON array over many lines": lambda: ("\n" + json.dumps(ROWS, indent=2) + "\n").encode("utf-8-sig"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.txt", "rows"])
@pytest.mark.parametrize("written", WRITERS)
def test_the_content_says_what_a_file_is_and_its_name_does_not(
    written: str, name: str, packed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = WRITERS[written]()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if packed else data)
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [a["level"] for a in answers] == LEVELS
    assert captured.err == ""
    with Predictor.open(TRIO) as bot:
        assert [a["probabilities"] for a in answers] == [dict(bot.decide(r).probabilities) for r in ROWS]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("written", WRITERS)
def test_standard_input_is_told_by_its_content_too(
    written: str, packed: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = WRITERS[written]()
    send(gzip.compress(data) if packed else data, monkeypatch)
    assert main(["predict", SOURCE, "--input", "-", "--json"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["level"] for line in captured.out.splitlines()] == LEVELS
    assert captured.err == ""


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "UTF-16": (lambda: delimited(ROWS).encode("utf-16"), "must be UTF-8 text"),
    "UTF-16 without a BOM": (lambda: delimited(ROWS).encode("utf-16-le"), "must be UTF-8 text"),
    "UTF-32": (lambda: delimited(ROWS).encode("utf-32"), "must be UTF-8 text"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", "must be UTF-8 text"),
    "a JPEG": (lambda: b"\xff\xd8\xff\xe0\x10JFIF" + bytes(range(128, 256)), "must be UTF-8 text"),
    "a zip": (lambda: b"PK\x03\x04\x14\0\0\0\x08\0", "must be UTF-8 text"),
    "other columns": (lambda: b"open,high,low\n1,2,3\n", "a feature of the artifact"),
    "capitals": (lambda: delimited(ROWS).upper().encode(), "a feature of the artifact"),
    "a bar of pipes": (lambda: delimited(ROWS, "|").encode(), "a feature of the artifact"),
    "prose": (lambda: b"Dear all,\nthis is no table.\n", "a feature of the artifact"),
    "JSON Lines of other names": (
        lambda: json_lines([{"open": 1.0}] * 3).encode(),
        "a feature of the artifact",
    ),
    "a JSON array of other names": (lambda: json.dumps([{"open": 1}]).encode(), "a feature of the artifact"),
    "a column given twice": (
        lambda: b"close,volume,close\n1,2,3\n",
        "a column must occur once, but got 'close'",
    ),
    "a column given twice but for blanks": (
        lambda: b"close,volume, close\n1,2,3\n",
        "a column must occur once",
    ),
    "an object over many lines": (
        lambda: json.dumps(ROWS[0], indent=2).encode(),
        "a JSON object must stand on one line",
    ),
    "gzip that is no table": (lambda: gzip.compress(b"\x89PNG\r\n\x1a\n\0\0"), "must be UTF-8 text"),
    "gzip in gzip": (lambda: gzip.compress(gzip.compress(b"close\n1\n")), "must be UTF-8 text"),
    "torn gzip": (lambda: gzip.compress(delimited(ROWS).encode())[:40], "a gzip file must be complete"),
}


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet", "-"])
@pytest.mark.parametrize("written", REFUSED)
def test_what_cannot_be_read_ends_with_2_and_one_line_before_any_row_is_answered(
    written: str,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make, message = REFUSED[written]
    (tmp_path / name).write_bytes(make())
    send(make(), monkeypatch)
    assert main(["predict", SOURCE, "--input", "-" if name == "-" else str(tmp_path / name)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert message in line


def test_names_that_differ_by_capitals_blanks_or_underscores_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        delimited(ROWS).replace("vix", "VIX").replace("usd_jpy", "USD JPY").replace("dxy", "d_xy")
    )
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    assert {json.loads(line)["level"] for line in captured.out.splitlines()} == {"level2"}
    assert "the column 'VIX' is not the feature 'vix'" in captured.err
    assert "the column 'd_xy' is not the feature 'dxy'" in captured.err
    assert "the column 'USD JPY' is not the feature 'usd_jpy'" in captured.err


def ragged(cells: int) -> str:
    header, first, second, third = delimited(ROWS).splitlines()
    values = second.split(",")
    odd = ",".join((values * 2)[:cells])
    return "\n".join([header, first, odd, third]) + "\n"


@pytest.mark.parametrize("cells", [1, 8, 10, 18])
@pytest.mark.parametrize("chunked", [True, False], ids=["file", "standard input"])
def test_a_line_with_too_many_or_too_few_cells_is_not_shifted(
    cells: int,
    chunked: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ragged(cells))
    send(ragged(cells).encode(), monkeypatch)
    code = main(["predict", SOURCE, "--json", "--input", str(path) if chunked else "-"])
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [a["level"] for a in answers] == ["level1", "fallback", "level2"]
    problem = f"line 3: {cells} cell{'s' if cells > 1 else ''}, the header has 9"
    assert answers[1]["reasons"] == [problem]
    assert answers[1]["action"] == "HOLD"
    assert problem in captured.err
    assert code == 1


def test_an_unquoted_thousands_separator_moves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    header, first, second, third = delimited(ROWS).splitlines()
    cells = second.split(",")
    path.write_text("\n".join([header, first, ",".join(["1,234.5", *cells[1:]]), third]) + "\n")
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answers[1]["reasons"] == ["line 3: 10 cells, the header has 9"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{broken", "line 2: not a JSON object"),
        (b"[1]", "line 2: not a JSON object"),
        (b"[" * 100_000, "line 2: not a JSON object"),
        (b'{"close": 1, "close": 2}', "line 2: 'close' occurs twice"),
        (b'{"close": \xff}', "line 2: not UTF-8"),
        (b'{"close": ' + b"9" * 5_000 + b"}", "line 2: not a JSON object"),
    ],
)
def test_a_broken_line_of_json_gets_the_fallback_and_its_number(
    line: bytes, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json_lines(ROWS[:1]).encode() + line + b"\n" + json_lines(ROWS[2:]).encode())
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 1
    captured = capsys.readouterr()
    answers = [json.loads(text) for text in captured.out.splitlines()]
    assert [a["level"] for a in answers] == ["level1", "fallback", "level2"]
    assert answers[1]["reasons"] == [problem]
    assert problem in captured.err


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'1,2,3,4,"5,6,7,8,9', "line 3: a quote is not closed"),
        (b"1,2,3,4,5,6,7,8,\xe9", "line 3: not UTF-8"),
        (b'1,2,3,4,5,6,7,"8"8,9', "line 3: ',' expected after '\"'"),
    ],
)
def test_a_broken_line_of_csv_takes_no_other_line_with_it(
    line: bytes, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    header, first, _, third = delimited(ROWS).encode().splitlines()
    path.write_bytes(b"\n".join([header, first, line, third, b""]))
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 1
    answers = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [a["level"] for a in answers] == ["level1", "fallback", "level2"]
    assert answers[1]["reasons"] == [problem]


def test_elements_of_an_array_that_are_no_objects_get_the_fallback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ROWS[0], 17, None, ROWS[2]]))
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 1
    answers = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [a["level"] for a in answers] == ["level1", "fallback", "fallback", "level2"]
    assert answers[1]["reasons"] == ["row 2: not a JSON object"]


@pytest.mark.parametrize("cut", [1, 30, -20, -2])
def test_a_torn_array_ends_with_2_after_the_rows_before(
    cut: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS)[:cut])
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 2
    captured = capsys.readouterr()
    assert "a JSON array must be complete" in captured.err
    assert len(captured.out.splitlines()) <= 3


def test_a_long_array_is_read_in_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([full_row(i % 32) for i in range(3_000)], indent=1))
    assert main(["predict", SOURCE, "--input", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3_001


def test_text_in_a_feature_column_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    rows = [
        full_row(0),
        full_row(1) | {"vix": "1,5"},
        full_row(2) | {"vix": "NA"},
        full_row(3) | {"vix": "x"},
    ]
    path.write_text(delimited(rows))
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(t)["level"] for t in captured.out.splitlines()] == [
        "level1",
        "level2",
        "level2",
        "level2",
    ]
    assert "2 values of features are text, not numbers; the first is vix in line 3: '1,5'" in captured.err


def test_a_kept_column_is_repeated_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    header, first, *_ = delimited(ROWS).splitlines()
    path.write_text(f"id,{header}\n00123456789012345678,{first}\n")
    assert main(["predict", SOURCE, "--input", str(path), "--keep", "id"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("00123456789012345678,")


def test_a_stream_follows_the_pin(tmp_path: Path) -> None:
    old, new = "2026.11.14", "2026.11.21"
    store = trio_store(tmp_path / "trio", pinned=new)
    command = [*GRADUS, "predict", str(store.path), "--input", "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def answer() -> str:
            process.stdin.write(json.dumps(full_row()) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return str(json.loads(process.stdout.readline())["version"])  # type: ignore[union-attr]

        assert answer() == new
        store.rollback(old, actor="ops")
        assert answer() == old
        process.stdin.close()
        assert process.wait(60) == 0


def test_an_answer_is_out_before_the_next_row_is_sent() -> None:
    command = [*GRADUS, "predict", SOURCE, "--input", "-", "--json"]
    for make in (lambda r: delimited([r]), lambda r: delimited([r], ";"), lambda r: json_lines([r])):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            os.write(process.stdin.fileno(), make(ROWS[0]).encode())
            assert json.loads(process.stdout.readline())["level"] == "level1"
            process.stdin.close()
            assert process.wait(60) == 0


def test_many_broken_lines_are_counted_and_the_first_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(delimited(ROWS) + "1,2\n" * 700)
    assert main(["predict", SOURCE, "--input", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert "line 5: 2 cells, the header has 9: answered with the fallback" in lines[0]
    assert "700 rows could not be read" in lines[5]


@pytest.mark.parametrize("separator", [",", ";"])
def test_decimal_commas_end_with_1_and_are_named(
    separator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = list(full_row())
    path = tmp_path / "rows.csv"
    path.write_text(f"{separator.join(names)}\n" + f"{separator.join(['7,25'] * len(names))}\n" * 7)
    assert main(["predict", SOURCE, "--input", str(path)]) == 1
    said = capsys.readouterr().err
    if separator == ",":
        assert "line 2: 18 cells, the header has 9: if these are decimal commas, write 1.5 inst" in said
        assert "7 rows could not be read and were answered with the fallback, all of them" in said
    else:
        assert "63 values of features are text, not numbers; the first is" in said
        assert "numbers must have a decimal point: write 7.25, not 7,25" in said
        assert "no value of a feature was a number" in said


def test_rows_of_missing_values_alone_are_answered_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("close,volume\n,\nNA,null\n")
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 0
    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == ["fallback"] * 2
