"""`gradus predict` on Parquet, with the libraries that the runtime does not depend on."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, golden_rows

from gradus_runtime.cli import main
from gradus_runtime.errors import DataError, EnvironmentFailedError
from gradus_runtime.rows.files import read_rows


@pytest.fixture
def parquet(tmp_path: Path) -> str:
    features = golden_rows()["features"]
    columns: dict[str, Any] = {name: features[:, i].tolist() * 20 for i, name in enumerate(TRIO_NAMES)}
    columns["vix"][3] = None
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"when": list(range(640))} | columns).write_parquet(path)
    return str(path)


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_parquet_is_read_by_what_is_installed(
    library: str, parquet: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "polars":
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert main(["predict", str(TRIO), "--input", parquet, "--json", "--keep", "when"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [a["when"] for a in answers] == list(range(640))
    assert [a["level"] for a in answers[:5]] == ["level1"] * 3 + ["level2", "level1"]


def far_dates() -> bytes:
    return written(pl.Series([2_932_897, 96_000_000], dtype=pl.Int32).cast(pl.Date))


def far_datetimes() -> bytes:
    return written(pl.Series([2**62, 2**62]).cast(pl.Datetime("us", "UTC")))


def broken_text() -> bytes:
    return written(pl.Series(["naught", "naught"])).replace(b"naught", b"n\xffught")


def written(when: pl.Series) -> bytes:
    out = io.BytesIO()
    frame = pl.DataFrame({"when": when, "vix": [1.0, 2.0]})
    frame.write_parquet(out, compression="uncompressed", statistics=False)
    return out.getvalue()


@pytest.mark.parametrize("make", [far_dates, far_datetimes, broken_text])
@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_values_that_a_damaged_file_has_and_python_does_not_are_said(
    library: str, make: Callable[[], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library == "polars":
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    path = tmp_path / "rows.parquet"
    path.write_bytes(make())
    with pytest.raises(DataError, match=r"rows\.parquet: rows must be Parquet: "):
        list(read_rows(str(path), frozenset({"vix"})))


@pytest.mark.parametrize("why", ["pyarrow requires NumPy 2.0 or newer, found 1.26.0", None])
def test_a_library_that_is_installed_and_does_not_start_is_told_from_one_that_is_not(
    why: str | None, parquet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    if why:
        monkeypatch.delitem(sys.modules, "pyarrow.parquet")
        monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
        (tmp_path / "pyarrow").mkdir()
        (tmp_path / "pyarrow" / "__init__.py").write_text(f"raise ImportError({why!r})\n")
        monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EnvironmentFailedError, match="reading Parquet needs pyarrow or polars") as caught:
        list(read_rows(parquet, frozenset({"vix"})))
    assert ("found 1.26.0" in str(caught.value)) is bool(why)


def test_what_is_no_parquet_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"nothing")
    assert main(["predict", str(TRIO), "--input", str(path)]) == 2
    assert "a feature of the artifact" in capsys.readouterr().err


def test_a_panic_of_polars_is_said(monkeypatch: pytest.MonkeyPatch, parquet: str) -> None:
    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("range end index 9 out of range\nnote: run with RUST_BACKTRACE=1")

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for reader in ("read_parquet", "scan_parquet", "read_parquet_schema"):
        monkeypatch.setattr(pl, reader, panic)
    with pytest.raises(DataError, match=r"rows must be Parquet: range end index 9 out of range$"):
        list(read_rows(parquet, frozenset({"vix"})))
