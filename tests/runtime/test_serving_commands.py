"""`gradus predict`, `gradus info` and `gradus health`."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import TRIO, changed, full_row, trio_store, variant

from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.cli.output import print_wrapped
from gradus_runtime.contracts.manifest import RuntimeRequirement

SOURCE = str(TRIO)
OUTAGE = {name: value for name, value in full_row(1).items() if name not in ("usd_jpy", "vix", "dxy")}


def csv_file(path: Path, rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def jsonl_file(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_in_csv_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"when": "monday", **full_row(0)}, {"when": "tuesday", **OUTAGE}, {"when": "friday"}]
    path = csv_file(tmp_path / "rows.csv", rows)
    assert main(["predict", SOURCE, "--input", path, "--keep", "when"]) == 0
    answers = read_csv(capsys.readouterr().out)
    assert [a["when"] for a in answers] == ["monday", "tuesday", "friday"]
    assert [a["level"] for a in answers] == ["level1", "level2", "fallback"]
    with Predictor.open(TRIO) as bot:
        expected = bot.decide(full_row(0))
    assert answers[0]["action"] == expected.action
    assert float(answers[0]["p_BUY"]) == pytest.approx(expected.probabilities["BUY"], abs=1e-6)
    assert float(answers[0]["confidence"]) == pytest.approx(expected.confidence, abs=1e-6)
    assert answers[1]["reasons"] == "level1: missing usd_jpy, vix, dxy"


def test_json_lines_in_json_lines_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = jsonl_file(tmp_path / "rows.jsonl", [full_row(0), OUTAGE, {"close": "text"}])
    assert main(["predict", SOURCE, "--input", path, "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["level"] for a in answers] == ["level1", "level2", "fallback"]
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1.0)
    assert answers[0]["version"] == "2026.11.21"
    assert answers[1]["reasons"] == ["level1: missing usd_jpy, vix, dxy"]


@pytest.mark.parametrize("as_csv", [True, False])
def test_standard_input_is_answered_row_by_row(
    as_csv: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = csv_file if as_csv else jsonl_file
    text = Path(make(tmp_path / "rows", [full_row(0), OUTAGE])).read_text()
    asked: list[int] = []

    class Lines(io.RawIOBase):
        """Gives a line at a time, as a pipe does that is written to line by line."""

        left = text.encode().splitlines(keepends=True)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            asked.append(len(capsys.readouterr().out.splitlines()))
            line = self.left.pop(0) if self.left else b""
            buffer[: len(line)] = line
            return len(line)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Lines())))
    assert main(["predict", SOURCE, "--input", "-", "--json"]) == 0
    assert sum(asked) + len(capsys.readouterr().out.splitlines()) == 2
    assert max(asked) == 1  # an answer is out before the next row is read


def test_a_long_file_is_read_chunk_by_chunk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = csv_file(tmp_path / "rows.csv", [full_row(i % 32) for i in range(1_300)])
    assert main(["predict", SOURCE, "--input", path]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1_301


def test_options_reach_the_predictor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = jsonl_file(tmp_path / "rows.jsonl", [OUTAGE])

    def answer(*options: str) -> dict[str, Any]:
        assert main(["predict", SOURCE, "--input", path, "--json", *options]) == 0
        value: dict[str, Any] = json.loads(capsys.readouterr().out)
        return value

    assert answer("--fill", "external_api=0")["level"] == "level1"
    assert answer("--unavailable", "signals")["level"] == "level3"
    assert answer("--min-level", "level1")["level"] == "fallback"
    assert answer("--threshold", "0.999")["action"] == "HOLD"
    assert answer("--threshold", "0.999", "--no-confidence")["reasons"] == [
        "level1: missing usd_jpy, vix, dxy"
    ]


def test_lines_that_are_no_json_object_get_the_fallback_and_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(full_row()) + "\n\n{broken\n[1]\n" + "[" * 100_000 + "\n")
    assert main(["predict", SOURCE, "--input", str(path), "--json"]) == 1
    captured = capsys.readouterr()
    levels = [json.loads(line)["level"] for line in captured.out.splitlines()]
    assert levels == ["level1", "fallback", "fallback", "fallback"]
    for line in (3, 4, 5):
        assert f"line {line}: not a JSON object: answered with the fallback" in captured.err


def test_numbers_in_csv_are_read_and_everything_else_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    names = list(full_row())
    lines = [
        ",".join(names),
        ",".join(["1e-3"] * 9),
        ",".join(["1"] * 8 + ["NA"]),
        ",".join(["1"] * 8 + [""]),
        ",".join(["1"] * 8 + ["inf"]),
        "",
    ]
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert main(["predict", SOURCE, "--input", str(path)]) == 0
    levels = [a["level"] for a in read_csv(capsys.readouterr().out)]
    assert levels == ["level1", "level2", "level2", "level2"]


def test_an_empty_input_has_no_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("")
    assert main(["predict", SOURCE, "--input", str(path)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "rows must be a readable file"),
        (lambda path: path.write_text("x" * ((1 << 20) + 1)), "a line must have at most 1048576 characters"),
        (lambda path: path.write_text("close\n" + "x" * 1_100_000), "a line must have at most 1048576"),
        (lambda path: path.write_text('"close\n1\n'), "a header must be a line of CSV"),
    ],
)
def test_what_cannot_be_read_is_said(
    make: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    make(path)
    assert main(["predict", SOURCE, "--input", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_parquet_without_a_library_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1")
    for name in ("pyarrow", "pyarrow.parquet", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["predict", SOURCE, "--input", str(path)]) == 3
    assert "reading Parquet needs pyarrow or polars" in capsys.readouterr().err
    with path.open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        assert main(["predict", SOURCE, "--input", "-"]) == 2
    assert main(["predict", SOURCE, "--input", str(tmp_path / "no.parquet")]) == 2


def test_a_filling_must_have_a_number(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = jsonl_file(tmp_path / "rows.jsonl", [OUTAGE])
    assert main(["predict", SOURCE, "--input", path, "--fill", "external_api"]) == 2
    assert "--fill: a filling must be GROUP=NUMBER, but got 'external_api'" in capsys.readouterr().err


def test_the_store_and_version_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trio_store(tmp_path / "trio", pinned="2026.11.14")
    path = jsonl_file(tmp_path / "rows.jsonl", [full_row()])
    store = ["--store", str(tmp_path / "trio")]
    for options, version in (([], "2026.11.14"), (["--version", "2026.11.21"], "2026.11.21")):
        assert main(["predict", *store, *options, "--input", path, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["version"] == version


def test_nothing_is_wider_than_a_narrow_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["info", SOURCE]) == 0
    wide = capfd.readouterr().out
    assert max(len(line) for line in wide.splitlines() if "vote" in line) > 60  # a pipe gets whole lines
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((60, 24)))
    assert main(["info", SOURCE]) == 0
    narrow = capfd.readouterr().out
    beyond = [line for line in narrow.splitlines() if len(line) > 60]
    assert all(
        line.startswith(("  digest ", "  origin ", "  data ")) for line in beyond
    )  # to be copied: not broken
    assert narrow.count("LEVEL     level") == 3
    assert len(narrow.split()) > len(wide.split())  # a head for each level
    assert set(narrow.split()) == set(wide.split())  # and no word lost


def test_a_sentence_goes_on_below_its_beginning_where_a_terminal_is_narrow(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((40, 24)))
    print_wrapped("  verdict   ", "knows which way the price will move, and earned money")
    lines = ["  verdict   knows which way the price", "            will move, and earned money"]
    assert capfd.readouterr().out.splitlines() == lines


def test_info_is_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", SOURCE]) == 0
    text = capsys.readouterr().out
    assert text.startswith("trio 2026.11.21\n")
    assert "(simulated)" in text
    assert "level2  6" in text
    assert main(["info", SOURCE, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["name"], value["features"], value["classes"]) == ("trio", 9, ["SELL", "HOLD", "BUY"])


def test_health_ends_with_0_while_any_level_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", SOURCE]) == 0
    assert capsys.readouterr().out.startswith("ok: version 2026.11.21\n  level1: ready\n")
    degraded = str(variant(TRIO, tmp_path / "a", files={"level1.onnx": b"none"}))
    assert main(["health", degraded]) == 0
    assert "level1: out of service: " in capsys.readouterr().out
    assert main(["health", degraded, "--strict"]) == 1
    capsys.readouterr()
    files = {f"level{i}.onnx": b"none" for i in (1, 2, 3)}
    assert main(["health", str(variant(TRIO, tmp_path / "b", files=files)), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


def test_health_says_that_an_artifact_has_expired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import dataclasses

    def old(manifest: Any) -> Any:
        return dataclasses.replace(
            manifest, decision=dataclasses.replace(manifest.decision, max_age_days=1e-3)
        )

    assert main(["health", str(variant(TRIO, tmp_path / "v", change=old))]) == 1
    assert "has expired" in capsys.readouterr().out


def test_health_of_what_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", str(tmp_path / "nowhere")]) == 3
    late = variant(TRIO, tmp_path / "v", change=changed(runtime=RuntimeRequirement("99.0", ())))
    assert main(["health", str(late)]) == 3
    assert "onnxruntime must be at least 99.0" in capsys.readouterr().err


def test_commands_import_numpy_with_one_thread_of_openblas_and_the_library_does_not(tmp_path: Path) -> None:
    given = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    rows = csv_file(tmp_path / "rows.csv", [full_row()])
    command = (
        f"from gradus_runtime.cli import main; main(['predict', {SOURCE!r}, '--input', {rows!r}, '--json'])"
    )
    library = f"from gradus_runtime import Predictor; Predictor.open({SOURCE!r}).decide({{}})"
    for code, expected in ((command, "1"), (library, "None")):
        script = f"{code}; import os, sys; print(os.environ.get('OPENBLAS_NUM_THREADS'), file=sys.stderr)"
        done = subprocess.run(
            [sys.executable, "-c", script], env=given, capture_output=True, text=True, check=True
        )
        assert done.stderr.split()[-1] == expected
