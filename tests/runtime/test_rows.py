"""docs/rows.md, line by line."""

from __future__ import annotations

import datetime
import math
from collections import UserDict, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows

from gradus_runtime import Predictor
from gradus_runtime.errors import UsageError
from gradus_runtime.rows.adapt import adapt
from gradus_runtime.rows.values import FLOAT32_BOUND, read_value

NAMES = list(TRIO_NAMES)


@pytest.fixture(scope="module")
def bot() -> Iterator[Predictor]:
    with Predictor.open(TRIO) as predictor:
        yield predictor


@pytest.fixture(scope="module")
def features() -> np.ndarray[Any, Any]:
    return golden_rows()["features"]


@pytest.fixture(scope="module")
def answers() -> np.ndarray[Any, Any]:
    return golden_rows()["level1"]


class Floating:
    def __init__(self, value: Any) -> None:
        self._value = value

    def __float__(self) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Indexed:
    def __index__(self) -> int:
        return 7


NUMBERS: list[tuple[Any, float]] = [
    (3, 3.0),
    (1.5, 1.5),
    (np.float64(1.5), 1.5),
    (np.float32(1.5), 1.5),
    (np.float16(1.5), 1.5),
    (np.longdouble(1.5), 1.5),
    (np.int8(-3), -3.0),
    (np.uint64(2**64 - 1), 2.0**64),
    (True, 1.0),
    (np.bool_(False), 0.0),
    (Decimal("1.5"), 1.5),
    (Fraction(3, 2), 1.5),
    (np.array(1.5), 1.5),
    (-0.0, -0.0),
    (1e-40, float(np.float32(1e-40))),
    (1e-60, 0.0),
    (0.1, float(np.float32(0.1))),
    (3.4028235677973362e38, float(np.finfo(np.float32).max)),
]

NO_NUMBERS: list[Any] = [
    None,
    math.nan,
    np.float32("nan"),
    np.ma.masked,
    math.inf,
    -math.inf,
    np.float16("inf"),
    1e39,
    -1e300,
    3.4028235677973366e38,
    np.longdouble("1e400"),
    10**400,
    "1.5",
    np.str_("1.5"),
    "",
    b"1.5",
    bytearray(b"1"),
    1 + 0j,
    np.complex64(1),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    datetime.timedelta(1),
    np.datetime64("2026-01-01"),
    np.datetime64("NaT"),
    np.timedelta64(5),
    [1.0],
    (1.0,),
    {},
    range(3),
    np.array([1.5]),
    np.array("x"),
    np.array(None),
    Floating(2.5),
    Indexed(),
    Floating(ValueError("no")),
    Floating(RuntimeError("broken")),
    Floating(math.inf),
    Floating("text"),
    object(),
    float,
]


@pytest.mark.parametrize(
    ("value", "number"), NUMBERS, ids=[f"{i}-{type(v).__name__}" for i, (v, _) in enumerate(NUMBERS)]
)
def test_a_number_is_there_alone_and_in_a_batch(bot: Predictor, value: Any, number: float) -> None:
    row, plain = {**full_row(), "close": value}, {**full_row(), "close": number}
    expected = bot.decide(plain)
    assert expected.level == "level1"
    assert bot.decide(row) == expected
    assert bot.predict([row])[0] == bot.predict([plain])[0]
    column = adapt([row], NAMES).block(0, 1)[0]
    assert column[0] == np.float32(number)
    assert np.signbit(column[0]) == np.signbit(np.float32(number))


@pytest.mark.parametrize(
    "value", NO_NUMBERS, ids=[f"{i}-{type(v).__name__}" for i, v in enumerate(NO_NUMBERS)]
)
def test_what_is_no_number_is_missing_alone_and_in_a_batch(bot: Predictor, value: Any) -> None:
    row = {**full_row(), "vix": value}
    for decision in (bot.decide(full_row()), bot.decide(row), bot.predict([row])[0]):
        if decision.level != "level1":
            why = "level1: missing vix"
            if isinstance(value, str | bytes | bytearray):
                why += " (vix is text, not a number)"
            assert (decision.level, decision.reasons) == ("level2", (why,))
    assert bot.decide(row).level == "level2"
    as_objects = np.empty((1, 9), object)
    as_objects[0, :] = list(full_row().values())
    as_objects[0, 7] = value
    assert bot.predict(as_objects, names=NAMES).levels.tolist() == ["level2"]


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_float_is_there_exactly_if_it_is_finite_as_float32(value: float) -> None:
    with np.errstate(over="ignore"):
        finite = bool(np.isfinite(np.float32(value)))
    assert math.isfinite(read_value(value)) == finite
    if finite:
        assert np.float32(read_value(value)) == np.float32(value)


def test_the_bound_of_float32_is_where_rounding_gives_infinity() -> None:
    below = math.nextafter(FLOAT32_BOUND, 0.0)
    with np.errstate(over="ignore"):
        assert np.isfinite(np.float32(below))
        assert np.isinf(np.float32(FLOAT32_BOUND))
    assert read_value(below) == below
    assert math.isnan(read_value(FLOAT32_BOUND))
    assert math.isnan(read_value(-FLOAT32_BOUND))


def test_what_only_a_default_would_supply_is_missing(bot: Predictor) -> None:
    row = defaultdict(float, full_row())
    del row["vix"]
    assert bot.decide(row).level == "level2"
    assert bot.predict([row]).levels.tolist() == ["level2"]
    assert "vix" not in row


def test_any_mapping_is_a_row(bot: Predictor) -> None:
    class Named:
        def keys(self) -> Any:
            return full_row().keys()

        def __getitem__(self, name: str) -> float:
            return float(full_row()[name])

    class Broken(UserDict[str, float]):
        def __getitem__(self, name: str) -> float:
            raise RuntimeError("lost")

    expected = bot.decide(full_row())
    assert bot.decide(UserDict(full_row())) == expected
    assert bot.decide(Named()) == expected  # type: ignore[arg-type]  # a class like a pandas Series
    assert bot.decide(Broken(full_row())).level == "fallback"
    assert bot.predict(full_row())[0] == bot.predict([full_row()])[0]
    assert bot.predict(Named()).levels.tolist() == ["level1"]


@pytest.mark.parametrize("row", [None, 5, "text", [1.0], object()])
def test_decide_refuses_what_has_no_names(bot: Predictor, row: Any) -> None:
    with pytest.raises(UsageError, match="a row must be a mapping of names to values"):
        bot.decide(row)


def test_elements_that_are_no_mappings_are_rows_without_values(bot: Predictor) -> None:
    levels = bot.predict([full_row(), None, 3, "text", full_row()]).levels
    assert levels.tolist() == ["level1", "fallback", "fallback", "fallback", "level1"]


def test_a_mapping_of_columns_is_a_table(bot: Predictor, features: Any, answers: Any) -> None:
    kinds = (list, tuple, np.asarray)
    table = {name: kinds[i % 3](features[:, i].tolist()) for i, name in enumerate(NAMES)}
    assert np.abs(bot.predict_proba(table | {"other": "ignored"}) - answers).max() < 1e-6
    with pytest.raises(UsageError, match="columns must be of one length"):
        bot.predict(table | {"vix": [1.0]})


def test_a_mapping_with_one_list_is_one_row(bot: Predictor) -> None:
    assert bot.predict({**full_row(), "vix": [1.0]}).levels.tolist() == ["level2"]


def test_an_array_with_names_is_found_by_name(bot: Predictor, features: Any, answers: Any) -> None:
    order = [8, 3, 1, 0, 2, 7, 5, 6, 4]
    shuffled = features[:, order]
    got = bot.predict_proba(shuffled, names=[NAMES[i] for i in order])
    assert np.abs(got - answers).max() < 1e-6


def test_columns_that_are_no_feature_are_ignored_and_counted(
    bot: Predictor, features: Any, answers: Any
) -> None:
    wide = np.hstack([np.full((32, 2), np.nan), features])
    predictions = bot.predict(wide, names=["time", "time", *NAMES])
    assert np.abs(predictions.probabilities - answers).max() < 1e-6
    assert predictions.ignored == ("time", "time")
    assert bot.predict([{**full_row(), "extra": 1}]).ignored == ("extra",)


def test_columns_that_are_absent_are_missing(bot: Predictor, features: Any) -> None:
    predictions = bot.predict(features[:, :6], names=NAMES[:6])
    assert set(predictions.levels.tolist()) == {"level2"}
    assert predictions.reasons[0] == ("level1: missing usd_jpy, vix, dxy",)


def test_ordered_columns_may_be_as_wide_as_the_vector_or_a_level(bot: Predictor, features: Any) -> None:
    assert set(bot.predict(features, ordered=True).levels.tolist()) == {"level1"}
    assert set(bot.predict(features[:, :6], ordered=True).levels.tolist()) == {"level2"}
    assert set(bot.predict(features[:, :4], ordered=True).levels.tolist()) == {"level3"}
    with pytest.raises(UsageError) as caught:
        bot.predict(features[:, :5], ordered=True)
    assert "an array without names must have 9 or 6 or 4 columns, but got (32, 5)" in str(caught.value)


def test_an_array_without_names_is_refused(bot: Predictor, features: Any) -> None:
    with pytest.raises(UsageError, match="an array must come with the names of its columns"):
        bot.predict(features)


@pytest.mark.parametrize("shape", [(9,), (2, 2, 9), ()])
def test_an_array_must_have_two_dimensions(bot: Predictor, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="an array must have two dimensions"):
        bot.predict(np.zeros(shape), names=NAMES)
    with pytest.raises(UsageError, match="an array must have two dimensions"):
        bot.predict(np.zeros(shape), ordered=True)


def test_names_must_fit_the_array_and_be_unique(bot: Predictor, features: Any) -> None:
    with pytest.raises(UsageError, match="an array must have a column for each name"):
        bot.predict(features, names=NAMES[:5])
    with pytest.raises(UsageError, match="a feature must be one column, but got 'close'"):
        bot.predict(features, names=["close", *NAMES[:8]])


@pytest.mark.parametrize(
    "table",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: x.astype(object),
        lambda x: np.ma.masked_array(x, np.zeros(x.shape, bool)),
        lambda x: np.frombuffer(x.tobytes(), np.float32).reshape(x.shape),
    ],
    ids=["fortran", "rows apart", "columns apart", "float64", "swapped", "objects", "masked", "read-only"],
)
def test_layout_and_dtype_do_not_change_answers(
    bot: Predictor, features: Any, answers: Any, table: Any
) -> None:
    predictions = bot.predict(table(features), names=NAMES)
    assert np.abs(predictions.probabilities - answers).max() < 1e-6
    assert set(predictions.levels.tolist()) == {"level1"}


def test_integers_booleans_and_small_floats_are_numbers(bot: Predictor) -> None:
    for dtype in (np.int8, np.uint16, np.int64, bool, np.float16):
        table = np.ones((2, 9), dtype)
        got = bot.predict_proba(table, names=NAMES)
        assert (got == bot.predict_proba(np.ones((2, 9), np.float32), names=NAMES)).all()


@pytest.mark.parametrize("dtype", ["U5", "S5", "complex64", "datetime64[s]", "timedelta64[s]"])
def test_arrays_of_other_kinds_hold_no_number(bot: Predictor, dtype: str) -> None:
    assert bot.predict(np.ones((2, 9), dtype), names=NAMES).levels.tolist() == ["fallback"] * 2


def test_what_overflows_float32_is_missing(bot: Predictor, features: Any) -> None:
    wide = features.astype(np.float64)
    wide[0, 8], wide[1, 8], wide[2, 8] = 1e39, np.inf, -np.inf
    assert bot.predict(wide, names=NAMES).levels[:4].tolist() == ["level2"] * 3 + ["level1"]


def test_masked_values_are_missing(bot: Predictor, features: Any) -> None:
    table = np.ma.masked_array(features.copy(), np.zeros(features.shape, bool))
    table[1, 7] = np.ma.masked
    assert bot.predict(table, names=NAMES).levels[:3].tolist() == ["level1", "level2", "level1"]
    assert bot.predict(np.ma.masked_array(features), names=NAMES).levels[0] == "level1"


def test_a_structured_array_has_its_names(bot: Predictor, features: Any, answers: Any) -> None:
    fields = [(name, "f8") for name in reversed(NAMES)] + [("when", "M8[s]"), ("pair", "f4", 2)]
    table = np.zeros(32, fields)
    for i, name in enumerate(NAMES):
        table[name] = features[:, i]
    predictions = bot.predict(table)
    assert np.abs(predictions.probabilities - answers).max() < 1e-6
    assert predictions.ignored == ("when", "pair")
    with pytest.raises(UsageError, match="a structured array must have one dimension"):
        bot.predict(table.reshape(4, 8))
    pairs = np.zeros(2, [(name, "f4", 2) if name == "vix" else (name, "f4") for name in NAMES])
    assert bot.predict(pairs).levels.tolist() == ["level2"] * 2


def test_lists_of_lists_need_names_or_an_order(bot: Predictor, features: Any, answers: Any) -> None:
    rows = features.tolist()
    assert np.abs(bot.predict_proba(rows, names=NAMES) - answers).max() < 1e-6
    assert np.abs(bot.predict_proba(rows, ordered=True) - answers).max() < 1e-6
    with pytest.raises(UsageError, match="rows must have names, but got 'list'"):
        bot.predict(rows)
    with pytest.raises(UsageError, match="lists of values must be of one length"):
        bot.predict([[1.0], [1.0, 2.0]], names=NAMES)


def test_names_belong_to_arrays_only(bot: Predictor) -> None:
    with pytest.raises(UsageError, match="names= and ordered= belong to an array"):
        bot.predict({"close": 1.0}, names=NAMES)
    assert bot.predict([full_row()], ordered=True).levels.tolist() == ["level1"]


def test_a_table_without_rows_has_an_empty_answer(bot: Predictor) -> None:
    for table in ([], (), {name: [] for name in NAMES}):
        predictions = bot.predict(table)
        assert len(predictions) == 0
        assert predictions.probabilities.shape == (0, 3)
        assert list(predictions) == []
        assert list(predictions.reasons) == []
    assert len(bot.predict(np.zeros((0, 9)), names=NAMES)) == 0


@pytest.mark.parametrize("table", ["text", 5, 1.5, iter([]), (row for row in [{}]), {1, 2}, object()])
def test_what_is_no_table_is_refused(bot: Predictor, table: Any) -> None:
    with pytest.raises(UsageError, match="a table must be a mapping, a list of mappings"):
        bot.predict(table)


def test_an_array_in_order_is_scored_in_place(bot: Predictor, features: Any) -> None:
    rows = adapt(features, NAMES, names=NAMES)
    assert np.shares_memory(rows.block(3, 20), features)
    assert not np.shares_memory(adapt(features.copy("F"), NAMES, names=NAMES).block(0, 32), features)


def test_the_callers_data_are_never_changed(bot: Predictor, features: Any) -> None:
    table = features.copy()
    table[0, 8] = np.nan
    before = table.copy()
    bot.predict(table, names=NAMES, fill={"external_api": 0.0}, unavailable={"signals"})
    assert np.array_equal(table, before, equal_nan=True)


def test_a_long_table_is_answered_as_its_pieces_are(bot: Predictor, features: Any, answers: Any) -> None:
    table = np.tile(features, (200, 1))
    got = bot.predict(table, names=NAMES)
    assert len(got) == 6400
    assert np.abs(got.probabilities - np.tile(answers, (200, 1))).max() < 1e-6


def test_a_feature_under_another_spelling_is_named_in_the_reasons(tmp_path: Path) -> None:
    row = {("USD-JPY" if name == "usd_jpy" else name): value for name, value in full_row().items()}
    want = (
        "level1: missing usd_jpy",
        "the row has USD-JPY, which is not the feature usd_jpy: names must be the same to the letter",
    )
    with Predictor.open(TRIO) as plain, Predictor.open(TRIO, journal=tmp_path / "journal") as kept:
        for bot in (plain, kept):
            for _ in range(3):  # the fast path would answer the second
                decision = bot.decide(row)
                assert (decision.level, decision.reasons) == ("level2", want)
        (one,) = plain.predict([row])
        assert one.reasons == want
        assert plain.predict({name: [value] for name, value in row.items()})[0].reasons == want


def test_other_names_are_no_reason(bot: Predictor) -> None:
    outage = {name: value for name, value in full_row().items() if name != "usd_jpy"}
    for row, why in (
        (full_row() | {"USD-JPY": 1.0, "timestamp": 5}, ()),
        (outage | {"usd_chf": 1.0, "timestamp": 5, 7: 1.0}, ("level1: missing usd_jpy",)),
        (full_row() | {"usd_jpy": None, "USD-JPY": 1.0}, ("level1: missing usd_jpy",)),
        (outage | {"x" * 100_000: 1.0}, ("level1: missing usd_jpy",)),
    ):
        for _ in range(2):
            assert bot.decide(row).reasons == why


def test_many_other_spellings_are_counted(bot: Predictor) -> None:
    decision = bot.decide({name.upper(): value for name, value in full_row().items()})
    assert decision.level == "fallback"
    assert decision.reasons[-1] == "the row has 6 more such names"
    assert sum("is not the feature" in reason for reason in decision.reasons) == 3
