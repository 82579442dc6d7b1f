"""`predict`, `validate` and `diff` read the same rows out of a file, whatever it is."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, trio_store

from gradus_runtime.cli import main

OLD, NEW = "2026.11.14", "2026.11.21"
ROWS = [full_row(i) for i in range(20)]
SOURCE = str(TRIO)


def delimited(separator: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(TRIO_NAMES)
    writer.writerows([list(row.values()) for row in ROWS])
    return out.getvalue().encode()


def parquet() -> bytes:
    polars = pytest.importorskip("polars")
    out = io.BytesIO()
    polars.DataFrame(ROWS).write_parquet(out)
    return out.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "comma": lambda: delimited(","),
    "semicolon": lambda: delimited(";"),
    "tab": lambda: delimited("\t"),
    "with a BOM": lambda: b"\xef\xbb\xbf" + delimited(","),
    "gzip": lambda: gzip.compress(delimited(",")),
    "JSON Lines": lambda: "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "a JSON array": lambda: json.dumps(ROWS).encode(),
    "Parquet": parquet,
}


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet", "rows"])
@pytest.mark.parametrize("kind", FILES)
def test_every_command_reads_the_same_rows(
    kind: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(trio_store(tmp_path / "trio").path)
    path = tmp_path / name
    path.write_bytes(FILES[kind]())
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["level"] for a in answers] == ["level1"] * len(ROWS)
    assert main(["validate", SOURCE, "--against", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["rows"]
    assert (report["rows"], report["row_levels"]) == (len(ROWS), ["level1"] * len(ROWS))
    assert main(["diff", OLD, NEW, "--rows", str(path), "--store", store, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["answers"]
    assert found["rows"] == len(ROWS)
    before = tmp_path / "before.jsonl"
    before.write_bytes(FILES["JSON Lines"]())
    assert main(["predict", store, "--version", OLD, "--input", str(before), "--json"]) == 0
    older = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    changed = sum(a["action"] != b["action"] for a, b in zip(older, answers, strict=True))
    assert found["changed"] == changed
    assert found["mean_move"] == pytest.approx(
        sum(abs(a["confidence"] - b["confidence"]) for a, b in zip(older, answers, strict=True)) / len(ROWS)
    )


REFUSED = {
    "UTF-16": delimited(",").decode().encode("utf-16"),
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "other columns": b"open,high\n1,2\n",
    "a column given twice": b"close,close\n1,2\n",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_every_command_refuses_the_same_files_in_the_same_words(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(trio_store(tmp_path / "trio").path)
    path = tmp_path / "rows.csv"
    path.write_bytes(REFUSED[kind])
    said = set()
    for command in (
        ["predict", SOURCE, "--input", str(path)],
        ["validate", SOURCE, "--against", str(path)],
        ["diff", OLD, NEW, "--rows", str(path), "--store", store],
    ):
        assert main(command) == 2
        said.add(capsys.readouterr().err.partition(": ")[2])
    assert len(said) == 1
