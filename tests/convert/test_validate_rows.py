import csv
import json
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.support.golden import PAIR, TRIO, TRIO_NAMES, golden_rows, trio_store

from gradus_convert.validation.against import SampleLimits, check_sample
from gradus_runtime import Predictor
from gradus_runtime.cli import main
from gradus_runtime.errors import DataError, EnvironmentFailedError, UsageError
from gradus_runtime.rows.files import read_table


def sample():
    """Golden rows as mappings; every second one lacks vix, the last one lacks close."""
    rows = [dict(zip(TRIO_NAMES, r.tolist(), strict=True)) for r in golden_rows()["features"][:12]]
    for row in rows[::2]:
        row["vix"] = None
    rows[-1]["close"] = None
    return rows


def read_rows(path):
    return read_table(path, ("a", "b", "c", "d", *TRIO_NAMES))


def write(folder, rows, kind="csv"):
    path = folder / f"rows.{kind}"
    names = list(dict.fromkeys(n for row in rows for n in row))
    if kind == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def findings(checks, name):
    (check,) = [c for c in checks if c.name == name]
    return [(f.severity, f.message) for f in check.findings]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_each_row_gets_the_level_that_the_predictor_gives_it(tmp_path, kind):
    rows = sample()
    _, report = check_sample(str(TRIO), write(tmp_path, rows, kind), SampleLimits())
    with Predictor.open(TRIO) as predictor:
        assert report.row_levels == tuple(predictor.decide(row).level for row in rows)
    assert report.levels == {"level1": 5, "level2": 6, "level3": 0, "fallback": 1}
    assert report.missing == {"basic": 1 / 12, "signals": 0.0, "external_api": 0.5}


def test_rows_that_no_level_serves_fail(tmp_path):
    checks, _ = check_sample(str(TRIO), write(tmp_path, sample()), SampleLimits())
    ((severity, text),) = findings(checks, "levels")
    assert severity == "error"
    assert "1 row would be served by fallback, below level3" in text


def test_rows_below_the_level_asked_for_fail(tmp_path):
    path = write(tmp_path, sample()[:4])
    assert findings(check_sample(str(TRIO), path, SampleLimits(min_level="level2"))[0], "levels") == []
    checks, _ = check_sample(str(TRIO), path, SampleLimits(min_level="level1"))
    assert "2 rows would be served by level2, below level1" in findings(checks, "levels")[0][1]


def test_a_missing_column_fails_unless_its_group_is_never_supplied(tmp_path):
    rows = [{n: v for n, v in row.items() if n != "vix"} for row in sample()[:4]]
    path = write(tmp_path, rows)
    checks, _ = check_sample(str(TRIO), path, SampleLimits())
    assert (
        "columns of group external_api must be present: vix. If the bot never has them"
        in findings(checks, "names")[0][1]
    )
    checks, report = check_sample(str(TRIO), path, SampleLimits(without=("external_api",)))
    assert findings(checks, "names") == []
    assert findings(checks, "missing") == []
    assert report.levels["level2"] == 4


def test_a_group_declared_absent_is_not_used_even_where_it_is_there(tmp_path):
    path = write(tmp_path, sample()[1:2])
    assert check_sample(str(TRIO), path, SampleLimits())[1].levels["level1"] == 1
    assert check_sample(str(TRIO), path, SampleLimits(without=("external_api",)))[1].levels["level2"] == 1


def test_unknown_columns_are_a_warning(tmp_path):
    rows = [{**row, **{f"extra{i}": 1 for i in range(7)}} for row in sample()[:2]]
    ((severity, text),) = findings(check_sample(str(TRIO), write(tmp_path, rows), SampleLimits())[0], "names")
    assert severity == "warning"
    assert text.endswith("extra0, extra1, extra2, extra3, extra4 and 2 more")


@pytest.mark.parametrize(
    ("value", "rule"),
    [("high", "a value must be a number, but got 'high' in row 2"), (1e300, "a value must be below 3.4e+38")],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_value_that_is_no_number_fails_with_its_row(tmp_path, value, rule, kind):
    rows = sample()[:4]
    rows[1]["rsi"] = value
    ((severity, text),) = findings(
        check_sample(str(TRIO), write(tmp_path, rows, kind), SampleLimits())[0], "types"
    )
    assert severity == "error"
    assert f"rsi: {rule}" in text
    assert "(1 such row)" in text


@pytest.mark.parametrize("value", [float("nan"), None])
def test_a_missing_value_is_no_error_of_type(tmp_path, value):
    rows = sample()[:4]
    rows[1]["rsi"] = value
    checks, report = check_sample(str(TRIO), write(tmp_path, rows, "jsonl"), SampleLimits())
    assert findings(checks, "types") == []
    assert report.missing["basic"] == 0.25


def test_values_beyond_training_are_a_warning_and_fail_beyond_the_limit(tmp_path):
    rows = sample()[1:5]
    rows[0]["rsi"] = 1e6
    path = write(tmp_path, rows)
    checks, report = check_sample(str(TRIO), path, SampleLimits())
    ((severity, text),) = findings(checks, "ranges")
    assert severity == "warning"
    assert "rsi: 25.0% of the rows lie beyond the training range" in text
    assert "1000000]" in text
    assert report.beyond == {"rsi": 0.25}
    checks, _ = check_sample(str(TRIO), path, SampleLimits(max_beyond=0.1))
    assert findings(checks, "ranges")[0][0] == "error"


def test_a_group_missing_too_often_fails(tmp_path):
    path = write(tmp_path, sample()[:4])
    assert (
        findings(check_sample(str(TRIO), path, SampleLimits(max_missing=0.5))[0], "missing")[0][0]
        == "warning"
    )
    checks, _ = check_sample(str(TRIO), path, SampleLimits(max_missing=0.4))
    ((severity, text),) = findings(checks, "missing")
    assert severity == "error"
    assert "50.0% of the rows lack something of group external_api" in text


def test_the_pinned_version_of_a_store_is_what_counts(tmp_path):
    store = trio_store(tmp_path / "trio", pinned="2026.11.14")
    _, report = check_sample(str(store.path), write(tmp_path, sample()), SampleLimits())
    assert report.version == "2026.11.14"


def test_rows_of_another_artifact_altogether_are_refused(tmp_path):
    path = write(tmp_path, [{"x": 1.0}])
    with pytest.raises(DataError, match="rows must have a column that is a feature of the artifact"):
        check_sample(str(PAIR), path, SampleLimits())


def test_an_artifact_with_a_level_out_of_service_fails(tmp_path):
    import shutil

    from tests.support.stores import write_folder

    shutil.copytree(TRIO, tmp_path / "v")
    files = {p.name: p.read_bytes() for p in (tmp_path / "v").iterdir() if p.suffix != ".json"}
    manifest = json.loads((TRIO / "manifest.json").read_text())
    for entry in manifest["files"]:
        if entry["name"] == "level1.onnx":
            import hashlib

            files["level1.onnx"] = b"not a graph"
            entry.update(size=11, sha256=hashlib.sha256(b"not a graph").hexdigest())
    from gradus_runtime.contracts import strict_json

    files.pop("manifest.sha256", None)
    write_folder(tmp_path / "w", strict_json.canonical_bytes(manifest), files)
    checks, report = check_sample(str(tmp_path / "w"), write(tmp_path, sample()[1:2]), SampleLimits())
    assert report.levels["level2"] == 1
    assert "level1 is out of service" in findings(checks, "levels")[0][1]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (SampleLimits(without=("outer",)), "a group must be in the artifact, but got 'outer'"),
        (SampleLimits(min_level="level9"), "a level must be in the artifact, but got 'level9'"),
    ],
)
def test_a_limit_that_names_nothing_is_wrong_use(tmp_path, limits, message):
    with pytest.raises(UsageError, match=message):
        check_sample(str(TRIO), write(tmp_path, sample()), limits)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("r.txt", b"", "there must be a row"),
        ("absent.csv", None, "rows must be a readable file"),
        ("r.csv", b"a,b\n", "there must be a row"),
        ("r.csv", b"a,a\n1,2\n", r"r\.csv:1: a column must occur once"),
        ("r.csv", b"a,b\n1\n", "there must be a row: line 2: 1 cell, the header has 2"),
        ("r.csv", b"e,f\n1,2\n", "a feature of the artifact"),
        ("r.csv", b"\xffa,b\n1,2\n", "rows must be UTF-8"),
        ("r.jsonl", b"[1]\n", "there must be a row: row 1: not a JSON object"),
        ("r.parquet", b"PAR1nonsense", "rows must be Parquet"),
    ],
)
def test_a_file_that_is_not_rows_is_refused_with_the_place(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_rows(tmp_path / name)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2", "line 4: 2 cells, the header has 9"),
        ("1,2,3,4,5,6,7,8,9,10", "line 4: 10 cells, the header has 9"),
        ('"1"x,2,3,4,5,6,7,8,9', "line 4: "),
    ],
)
def test_a_line_that_cannot_be_read_fails_and_the_others_are_checked(tmp_path, line, message, capsys):
    path = write(tmp_path, sample()[1:3])
    path.write_text(path.read_text() + line + "\n")
    checks, report = check_sample(str(TRIO), path, SampleLimits())
    ((severity, text),) = findings(checks, "lines")
    assert (severity, message in text, report.rows) == ("error", True, 2)
    assert main(["validate", str(TRIO), "--against", str(path)]) == 1
    assert message in capsys.readouterr().out


def test_lines_may_name_other_columns_than_the_first(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"a": 1}\n\n{"b": 2}\n{"a": 3, "b": 4}\n')
    rows = read_rows(tmp_path / "r.jsonl")
    assert rows.columns == {"a": [1, None, 3], "b": [None, 2, 4]}
    assert rows.count == 3


def test_cells_are_numbers_text_or_missing(tmp_path):
    (tmp_path / "r.csv").write_text("a,b,c,d\n1, NaN,x,\n")
    assert {k: v[0] for k, v in read_rows(tmp_path / "r.csv").columns.items()} == {
        "a": 1.0, "b": None, "c": "x", "d": None,
    }  # fmt: skip


def test_parquet_is_read_by_polars_where_pyarrow_is_absent(tmp_path, monkeypatch):
    path = write(tmp_path, sample(), "parquet")
    wanted = read_rows(path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert read_rows(path) == wanted
    (tmp_path / "bad.parquet").write_bytes(b"PAR1nonsense")
    with pytest.raises(DataError, match="rows must be Parquet"):
        read_rows(tmp_path / "bad.parquet")


def test_parquet_without_a_reader_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path, sample(), "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(EnvironmentFailedError, match="pip install pyarrow, or convert the file to CSV"):
        read_rows(path)


def test_the_command_prints_levels_and_ends_with_the_verdict(tmp_path, capsys):
    path = write(tmp_path, sample()[:4])
    assert main(["validate", str(TRIO), "--against", str(path)]) == 0
    out = capsys.readouterr().out
    assert "4 rows against trio 2026.11.21" in out
    assert main(["validate", str(TRIO), "--against", str(path), "--min-level", "level1", "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["passed"] is False
    assert value["rows"]["row_levels"] == ["level2", "level1", "level2", "level1"]


@pytest.mark.parametrize(
    "options",
    [
        [str(TRIO), "--min-level", "level1"],
        [str(TRIO), "--without", "signals"],
        [str(TRIO), str(PAIR), "--against", "rows.csv"],
    ],
)
def test_options_that_do_not_belong_together_are_wrong_use(options, capsys):
    assert main(["validate", *options]) == 2
    assert "--against" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["2", "x"])
def test_a_share_outside_0_to_1_is_wrong_use(share, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["validate", str(TRIO), "--against", "r.csv", "--max-missing", share])
    assert caught.value.code == 2
    assert "a share must lie in [0, 1]" in capsys.readouterr().err


def test_a_float_that_only_float64_can_hold_counts_as_missing(tmp_path):
    rows = sample()[1:2]
    rows[0]["close"] = float(np.finfo(np.float64).max)
    _, report = check_sample(str(TRIO), write(tmp_path, rows), SampleLimits())
    assert report.row_levels == ("fallback",)


def extreme_rows():
    """The least and the largest value of each feature of the training rows, as float64 of a bot."""
    with Predictor.open(TRIO) as bot:
        names = bot.feature_names_in_.tolist()
    features = {f.name: f for f in open_manifest().features}
    wide = {}
    for name in names:
        least, largest = np.float32(features[name].minimum), np.float32(features[name].maximum)
        # a float64 beyond the bound that is the bound as float32
        wide[name] = [
            float(least) - abs(float(least)) * 2.0**-26, float(largest) + abs(float(largest)) * 2.0**-26
        ]  # fmt: skip
        assert [np.float32(v) for v in wide[name]] == [least, largest]
        assert wide[name][0] < features[name].minimum
    return [dict(zip(wide, values, strict=True)) for values in zip(*wide.values(), strict=True)]


def open_manifest():
    from gradus_runtime.store import open_artifact

    with open_artifact(TRIO) as artifact:
        return artifact.manifest


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_float64_values_of_the_training_rows_lie_within_the_training_ranges(tmp_path, kind):
    path = write(tmp_path, extreme_rows(), kind)
    checks, report = check_sample(str(TRIO), path, SampleLimits(max_beyond=0.0))
    assert findings(checks, "ranges") == []
    assert report.beyond == {}


def test_a_value_that_is_really_beyond_is_shown_with_digits_that_differ(tmp_path):
    row = extreme_rows()[1]
    bound = np.float32(open_manifest().features[0].maximum)
    row["close"] = float(np.nextafter(bound, np.float32(np.inf)))
    checks, _ = check_sample(str(TRIO), write(tmp_path, [row]), SampleLimits(max_beyond=0.0))
    ((severity, message),) = findings(checks, "ranges")
    assert severity == "error"
    assert f"{bound:.9g}]" in message
    assert f"{row['close']:.9g}]" in message
    assert f"{bound:.9g}" != f"{row['close']:.9g}"


def test_a_feature_may_lie_beyond_by_construction(tmp_path, capsys):
    row = {**extreme_rows()[0], "close": 1e6, "vix": 1e6}
    path = write(tmp_path, [row])
    checks, _ = check_sample(str(TRIO), path, SampleLimits(max_beyond=0.0, any_range=("close",)))
    assert [(s, m.split(": ")[1]) for s, m in findings(checks, "ranges")] == [
        ("warning", "close"), ("error", "vix"),
    ]  # fmt: skip
    command = ["validate", str(TRIO), "--against", str(path), "--max-beyond", "0", "--min-level", "level3"]
    assert main([*command, "--any-range", "close"]) == 1
    assert main([*command, "--any-range", "close", "--any-range", "vix"]) == 0
    assert main([*command, "--any-range", "month"]) == 2
    assert "a feature must be in the artifact, but got 'month'" in capsys.readouterr().err
    assert main(["validate", str(TRIO), "--any-range", "close"]) == 2
