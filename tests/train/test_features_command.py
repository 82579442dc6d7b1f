"""`gradus features`: report, table, newest bar."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.support.candles import csv_text, random_bars, without_bars

from gradus_live.labels import FixedHorizon
from gradus_runtime.cli.main import main
from gradus_runtime.contracts import feature_order
from gradus_train.data.data_report import Gap, make_report
from gradus_train.data.dataset import Dataset, load_dataset
from gradus_train.data.report_text import report_text
from gradus_train.data.source import DataSettings, DataSource
from gradus_train.features import builtin_order
from gradus_train.market import MarketFiles, simulate

CONFIG = Path(__file__).parents[2] / "config"
ORDER = feature_order.load(CONFIG / "feature_order.json")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> MarketFiles:
    return simulate(tmp_path_factory.mktemp("market"), bars=2500)


def features(*arguments: str | Path) -> int:
    fixed = ("--config", CONFIG / "training.toml", "--feature-order", CONFIG / "feature_order.json")
    return main(["features", *map(str, fixed), *map(str, arguments)])


def test_the_report_counts_what_is_there(tmp_path: Path) -> None:
    bars = without_bars(random_bars(600, 3), [100, 101, 400])
    path = tmp_path / "c.csv"
    path.write_text(csv_text(bars))
    settings = DataSettings(minimum_rows=10, bridge_bars=0)
    data = load_dataset(DataSource(path, settings=settings), ORDER, FixedHorizon())
    report = make_report(data, ORDER)
    assert report.rows == 597
    assert report.gaps == (Gap("2023-11-16T00:45:00Z", 2), Gap("2023-11-19T03:45:00Z", 1))
    assert report.missing_bars == 3
    assert report.labelled_rows == 597 - 3 * 4 == sum(report.label_counts.values())
    assert sum(report.label_shares.values()) == pytest.approx(1)
    assert {g.name: g.missing_share for g in report.groups}["basic"] == 0
    lag = next(g for g in report.groups if g.name == "lag")
    # macd_lag_1 needs 27 bars of each of the three segments.
    assert (lag.worst_feature, lag.worst_share) == ("macd_lag_1", pytest.approx(3 * 26 / 597))
    level3 = next(s for s in report.levels if s.name == "level3")
    assert level3.rows == 597 - 3 * 49
    external = tuple(f.name for f in ORDER.features if f.group == "external_api")
    assert report.empty == ("strategy_signal_MultiTimeframe", *external)
    assert report.constant == ("month", "quarter", "is_quarter_end")
    assert report.duplicates == ()


def test_equal_columns_are_reported() -> None:
    n = 12
    columns = np.stack(
        [np.arange(n), np.arange(n), np.full(n, np.nan), np.zeros(n), np.full(n, -0.0)], axis=1
    )
    names = ("a", "b", "c", "d", "e")
    group = {"name": "g", "features": [{"name": x, "definition": ""} for x in names]}
    own = {"format": feature_order.FORMAT, "groups": [group], "levels": [{"name": "only", "groups": ["g"]}]}
    data = Dataset(
        names=names,
        features=columns.astype(np.float32),
        labels=np.full(n, -1),
        timestamps=np.arange(n) * 900_000,
        classes=("A", "B"),
        bar_ms=900_000,
        data_sha256="",
        data_start="",
        data_end="",
        simulated=False,
        close=np.ones(n),
    )
    report = make_report(data, feature_order.parse(own, place="own"))
    assert report.duplicates == (("a", "b"), ("d", "e"))
    assert report.empty == ("c",)
    assert report.constant == ("d", "e")
    text = report_text(report)
    assert "Duplicates: a = b; d = e" in text
    assert "Gaps      none" in text
    assert "A 0 (0.0%)" in text


def test_the_report_is_text_or_json(files: MarketFiles, capsys: pytest.CaptureFixture[str]) -> None:
    assert features("--candles", files.candles, "--daily", files.macro) == 0
    text = capsys.readouterr().out
    assert "(simulated)" in text
    assert "level1" in text
    assert "bars missing; none of them bridged" in text
    assert features("--candles", files.candles, "--daily", files.macro, "--report", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    assert value["simulated"] is True
    assert [g["name"] for g in value["groups"]] == [g.name for g in ORDER.groups]


def test_a_report_on_resampled_bars_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.csv"
    path.write_text(csv_text(without_bars(random_bars(900, bar_ms=300_000), [4, *range(30, 60, 4)])))
    assert features("--candles", path, "--minimum-rows", "10") == 0
    out = capsys.readouterr().out
    assert "Source    bars of 5 minutes; 9 incomplete bars left out" in out


def test_many_gaps_are_shown_by_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.csv"
    path.write_text(csv_text(without_bars(random_bars(900), [*range(20, 800, 60), 21, 22])))
    assert features("--candles", path, "--minimum-rows", "10") == 0
    out = capsys.readouterr().out
    assert "Gaps      13, with 15 bars missing" in out
    assert "3 after 2023-11-15T04:45:00Z" in out
    assert "(the 10 largest)" in out


def test_the_table_is_written(files: MarketFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "t.parquet"
    assert features("--candles", files.candles, "--out", out) == 0
    assert f"rows of {len(builtin_order().names)} features" in capsys.readouterr().out
    assert pl.read_parquet(out).columns == [
        "timestamp",
        *ORDER.names,
        "label",
        "label_reach",
        "simulated",
    ]
    assert features("--candles", files.candles, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(out)
    assert features("--features", out, "--out", tmp_path / "again.csv") == 0


def test_the_newest_bar_is_one_line_of_json(files: MarketFiles, capsys: pytest.CaptureFixture[str]) -> None:
    assert features("--candles", files.candles, "--daily", files.macro, "--latest") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    row = json.loads(lines[0])
    assert tuple(row) == ORDER.names
    assert row["close"] == pl.read_csv(files.candles)["close"][-1]


@pytest.mark.parametrize("packed", [False, True])
def test_a_torn_last_line_is_not_taken_as_the_newest_bar(
    files: MarketFiles, tmp_path: Path, packed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(files.candles).read_text()
    path = tmp_path / "candles.csv"

    def newest(data: str) -> tuple[float, str]:
        path.write_bytes(gzip.compress(data.encode()) if packed else data.encode())
        assert features("--candles", path, "--latest") == 0
        out, err = capsys.readouterr()
        return json.loads(out)["close"], err

    closes = pl.read_csv(files.candles)["close"]
    whole, said = newest(text)
    assert (whole, "may be torn" in said) == (closes[-1], False)
    for cut in (1, 2, 5):
        torn, said = newest(text[:-cut])
        assert (torn, "the last line has no newline: it may be incomplete, and is left out" in said) == (
            closes[-2],
            True,
        )


def test_options_that_contradict_each_other_are_wrong_use(
    files: MarketFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        ((), "candles or a feature table must be given, but got 'neither'"),
        (("--features", files.candles, "--daily", files.macro), "daily series need candles"),
        (("--features", files.candles, "--latest"), "--latest computes features, so it needs candles"),
        (
            ("--candles", files.candles, "--latest", "--report"),
            "--latest must be given alone, but got '--report'",
        ),
        (
            ("--candles", files.candles, "--out", tmp_path / "t.xlsx"),
            "a table must be a .parquet, .csv or .csv.gz",
        ),
        (("--candles", files.candles, "--bar", "60"), "at least 2,000 labelled rows are needed"),
        (("--candles", files.candles, "--bar", "45"), "a bar must divide 4 hours, but got 45"),
    ):
        assert features(*arguments) == 2
        assert message in capsys.readouterr().err


def test_a_table_that_cannot_be_written_is_a_failure_of_the_environment(
    files: MarketFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert features("--candles", files.candles, "--out", tmp_path / "file" / "t.csv") == 3
    assert "a file must be writable" in capsys.readouterr().err
