"""Dataframes of pandas, polars and pyarrow, which the runtime never imports: docs/rows.md, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows

from gradus_runtime import Predictor
from gradus_runtime.errors import UsageError

NAMES = list(TRIO_NAMES)
Make = Callable[[dict[str, Any]], Any]


def chunked(columns: dict[str, Any]) -> Any:
    table = pa.table(columns)
    return pa.concat_tables([table.slice(0, 5), table.slice(5)])


MAKERS: dict[str, Make] = {
    "pandas": pd.DataFrame,
    "pandas nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "pandas objects": lambda columns: pd.DataFrame(columns).astype(object),
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "pyarrow": lambda columns: pa.table(columns),
    "pyarrow chunks": chunked,
    "pyarrow batch": lambda columns: pa.RecordBatch.from_pydict(columns),
}


@pytest.fixture(scope="module")
def bot() -> Iterator[Predictor]:
    with Predictor.open(TRIO) as predictor:
        yield predictor


def columns_of(features: Any) -> dict[str, list[Any]]:
    return {name: features[:, i].tolist() for i, name in enumerate(NAMES)}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_dataframe_is_answered_by_name(bot: Predictor, make: Make) -> None:
    golden = golden_rows()
    columns = dict(reversed(columns_of(golden["features"]).items()))
    predictions = bot.predict(make({"when": ["now"] * 32} | columns))
    assert np.abs(predictions.probabilities - golden["level1"]).max() < 1e-6
    assert predictions.ignored == ("when",)
    assert set(predictions.levels.tolist()) == {"level1"}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_nulls_are_missing(bot: Predictor, make: Make) -> None:
    columns = columns_of(golden_rows()["features"])
    columns["vix"][3] = None
    levels = bot.predict(make(columns)).levels.tolist()
    assert levels == ["level1"] * 3 + ["level2"] + ["level1"] * 28


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("column", [[1, None, 3] + [0] * 29, [True, None, False] + [True] * 29])
def test_integers_and_booleans_with_nulls_are_numbers(bot: Predictor, make: Make, column: list[Any]) -> None:
    columns = columns_of(golden_rows()["features"]) | {"vix": column}
    predictions = bot.predict(make(columns))
    assert predictions.levels.tolist() == ["level1", "level2"] + ["level1"] * 30
    expected = bot.decide({**full_row(2), "vix": float(column[2])})
    assert list(predictions[2].probabilities.values()) == pytest.approx(
        list(expected.probabilities.values()), abs=1e-6
    )


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_text_is_missing(bot: Predictor, make: Make) -> None:
    columns = columns_of(golden_rows()["features"]) | {"vix": ["1.5"] * 32}
    assert set(bot.predict(make(columns)).levels.tolist()) == {"level2"}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_dates_are_missing(bot: Predictor, make: Make) -> None:
    moments = pd.date_range("2026-01-01", periods=32).to_pydatetime().tolist()
    columns = columns_of(golden_rows()["features"]) | {"vix": moments}
    assert set(bot.predict(make(columns)).levels.tolist()) == {"level2"}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_dataframe_without_some_features_lacks_them_in_every_row(bot: Predictor, make: Make) -> None:
    columns = columns_of(golden_rows()["features"])
    del columns["dxy"]
    predictions = bot.predict(make(columns))
    assert set(predictions.levels.tolist()) == {"level2"}
    assert predictions.reasons[0] == ("level1: missing dxy",)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_dataframe_without_rows_has_an_empty_answer(bot: Predictor, make: Make) -> None:
    empty = make({name: np.array([], np.float32) for name in NAMES}) if "batch" not in str(make) else None
    if empty is not None:
        assert len(bot.predict(empty)) == 0


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_long_dataframe_is_answered_chunk_by_chunk(bot: Predictor, make: Make) -> None:
    golden = golden_rows()
    columns = {name: np.tile(golden["features"][:, i], 150) for i, name in enumerate(NAMES)}
    got = bot.predict_proba(make(columns))
    assert np.abs(got - np.tile(golden["level1"], (150, 1))).max() < 1e-6


def test_a_pandas_series_is_one_row(bot: Predictor) -> None:
    assert bot.decide(pd.Series(full_row())) == bot.decide(full_row())  # type: ignore[arg-type]
    assert bot.predict(pd.Series(full_row())).levels.tolist() == ["level1"]


def test_pandas_missing_values_are_missing(bot: Predictor) -> None:
    for value in (pd.NA, pd.NaT):
        assert bot.decide({**full_row(), "vix": value}).level == "level2"


def test_a_lazy_frame_must_be_collected(bot: Predictor) -> None:
    with pytest.raises(UsageError, match="a lazy frame must be collected first"):
        bot.predict(pl.LazyFrame(columns_of(golden_rows()["features"])))


def test_a_feature_over_two_columns_is_refused(bot: Predictor) -> None:
    frame = pd.DataFrame(np.zeros((2, 10)), columns=["close", *NAMES])
    with pytest.raises(UsageError, match="a feature must be one column, but got 'close'"):
        bot.predict(frame)


def test_pandas_columns_may_have_any_names(bot: Predictor) -> None:
    frame = pd.DataFrame(golden_rows()["features"], columns=NAMES)
    frame[("a", 1)] = 0.0
    frame[7] = 0.0
    assert set(bot.predict(frame).levels.tolist()) == {"level1"}


def test_a_column_of_an_unknown_kind_is_refused(bot: Predictor) -> None:
    class Odd:
        columns = NAMES

        def __getitem__(self, name: str) -> object:
            return object()

        def __len__(self) -> int:
            return 1

    with pytest.raises(UsageError, match=r"column close: a column must have to_numpy\(\) or __array__\(\)"):
        bot.predict(Odd())


def test_polars_decimals_and_categories(bot: Predictor) -> None:
    columns = columns_of(golden_rows()["features"])
    frame = pl.DataFrame(columns).with_columns(
        pl.Series("vix", [1] * 32).cast(pl.Decimal(10, 2)),
        pl.Series("dxy", ["a"] * 32, dtype=pl.Categorical),
    )
    predictions = bot.predict(frame)
    assert predictions.reasons[0] == ("level1: missing dxy (dxy is text, not a number)",)


def test_pyarrow_types_that_numpy_does_not_know(bot: Predictor) -> None:
    columns = columns_of(golden_rows()["features"])
    table = pa.table(columns).set_column(7, "vix", pa.array([[1.0]] * 32))
    assert bot.predict(table).reasons[0] == ("level1: missing vix",)
    table = table.set_column(7, "vix", pa.array([Decimal(1)] * 32, pa.decimal128(10, 2)))
    assert set(bot.predict(table).levels.tolist()) == {"level1"}


SHAPES = {
    "array": lambda: pl.Series("vix", [[1.0, 2.0]] * 3, dtype=pl.Array(pl.Float64, 2)),
    "array of one": lambda: pl.Series("vix", [[1.0]] * 3, dtype=pl.Array(pl.Float64, 1)),
    "struct": lambda: pl.Series("vix", [{"a": 1.0, "b": 2.0}] * 3),
    "list": lambda: pl.Series("vix", [[1.0]] * 3),
    "object": lambda: pl.Series("vix", [object()] * 3, dtype=pl.Object),
}


def three() -> pl.DataFrame:
    return pl.DataFrame({name: column[:3] for name, column in columns_of(golden_rows()["features"]).items()})


@pytest.mark.parametrize("shape", SHAPES)
def test_polars_columns_that_hold_more_than_a_number_are_missing(bot: Predictor, shape: str) -> None:
    assert bot.predict(three().with_columns(SHAPES[shape]())).levels.tolist() == ["level2"] * 3


def test_polars_integers_of_128_bits_are_numbers(bot: Predictor) -> None:
    frame = three().with_columns(pl.Series("vix", [1, 2, 3], dtype=pl.Int128))
    plain = three().with_columns(pl.Series("vix", [1.0, 2.0, 3.0]))
    assert (bot.predict(frame).probabilities == bot.predict(plain).probabilities).all()


ONE_ROW = {
    "pandas": lambda columns: pd.DataFrame(columns).tail(1),
    "polars": lambda columns: pl.DataFrame(columns).tail(1),
    "pyarrow": lambda columns: pa.table(columns).slice(len(columns["vix"]) - 1),
    "pandas columns": lambda columns: dict(pd.DataFrame(columns).tail(1).items()),
    "polars columns": lambda columns: pl.DataFrame(columns).tail(1).to_dict(),
    "Series": lambda columns: pd.DataFrame(columns).iloc[-1],
}


@pytest.mark.parametrize("make", ONE_ROW.values(), ids=ONE_ROW.keys())
def test_one_row_of_a_dataframe_is_a_row(bot: Predictor, make: Make) -> None:
    columns = columns_of(golden_rows()["features"])
    expected = bot.decide({name: float(column[-1]) for name, column in columns.items()})
    assert bot.decide(make(columns)) == expected
    del columns["dxy"]
    assert bot.decide(make(columns)).level == "level2"


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_more_rows_of_a_dataframe_are_for_predict(bot: Predictor, make: Make) -> None:
    columns = columns_of(golden_rows()["features"])
    with pytest.raises(UsageError, match="decide takes one row, but got '32 rows'"):
        bot.decide(make(columns))


def test_a_mapping_of_series_is_a_table(bot: Predictor) -> None:
    columns = columns_of(golden_rows()["features"])
    for frame in (pd.DataFrame(columns), pl.DataFrame(columns)):
        table = {name: frame[name] for name in columns}
        assert (bot.predict(table).probabilities == bot.predict(frame).probabilities).all()
        with pytest.raises(UsageError, match="decide takes one row"):
            bot.decide(table)
