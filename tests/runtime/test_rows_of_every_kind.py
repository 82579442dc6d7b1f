"""Rows in shapes that were guessed or misread, and rows whose values and keys must not be asked anything."""

from __future__ import annotations

import array
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.support.golden import TRIO, TRIO_NAMES, full_row, golden_rows

from gradus_runtime import Predictor
from gradus_runtime.errors import UsageError
from gradus_runtime.rows.values import read_number

NAMES = list(TRIO_NAMES)


@pytest.fixture(scope="module")
def bot() -> Iterator[Predictor]:
    with Predictor.open(TRIO) as predictor:
        yield predictor


def columns(rows: int) -> dict[str, np.ndarray[Any, Any]]:
    return {name: golden_rows()["features"][:rows, i].astype(np.float64) for i, name in enumerate(NAMES)}


KINDS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "list": lambda column: column.tolist(),
    "tuple": lambda column: tuple(column.tolist()),
    "array": lambda column: column,
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_one_value_are_one_row(bot: Predictor, kind: str) -> None:
    row = {name: KINDS[kind](column) for name, column in columns(1).items()}
    assert bot.decide(row) == bot.decide(full_row())
    del row["vix"]
    assert bot.decide(row).level == "level2"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 2])
def test_more_rows_than_one_are_for_predict(bot: Predictor, kind: str, rows: int) -> None:
    table = {name: KINDS[kind](column) for name, column in columns(rows).items()}
    with pytest.raises(UsageError, match=f"decide takes one row, but got '{rows} rows'"):
        bot.decide(table)


def test_lists_in_the_place_of_some_numbers_are_missing_values(bot: Predictor) -> None:
    assert bot.decide({**full_row(), "vix": [1.0, 2.0]}).level == "level2"
    assert bot.decide({"close": [1.0, 2.0]}).level == "fallback"


def test_masked_values_are_missing_wherever_they_stand(bot: Predictor) -> None:
    table: dict[str, Any] = {name: np.ma.masked_array(column) for name, column in columns(3).items()}
    table["vix"] = np.ma.masked_array(columns(3)["vix"], [False, True, False])
    assert bot.predict(table).levels.tolist() == ["level1", "level2", "level1"]
    fields = np.ma.zeros(3, [(name, "f8") for name in NAMES])
    for name, column in columns(3).items():
        fields[name] = column
    fields["vix"][1] = np.ma.masked
    assert bot.predict(fields).levels.tolist() == ["level1", "level2", "level1"]
    assert bot.decide(fields[1:2]).level == "level2"
    assert bot.decide({**full_row(), "vix": np.ma.masked_array(1.0, True)}).level == "level2"


def test_numbers_as_text_are_missing_and_the_reason_names_the_first(bot: Predictor) -> None:
    row = {**full_row(), "vix": "17.5", "dxy": "99.1"}
    why = ("level1: missing vix, dxy (vix is text, not a number)",)
    assert bot.decide(row).reasons == why
    assert bot.decide(row).reasons == why
    assert bot.predict([full_row(), row]).reasons[1] == why
    assert bot.predict([full_row(), row]).reasons[0] == ()
    texts = {name: column.astype(object) for name, column in columns(2).items()}
    texts["vix"][1] = "17.5"
    assert bot.predict(texts).reasons[1] == ("level1: missing vix (vix is text, not a number)",)
    every = bot.decide({name: str(value) for name, value in full_row().items()})
    assert every.reasons[2] == "level3: missing close, volume, rsi, atr (close is text, not a number)"
    assert bot.decide({**row, "vix": None, "dxy": None}).reasons == ("level1: missing vix, dxy",)


@pytest.mark.parametrize("threshold", [math.nan, 7, -5, math.inf, "0.3", np.float32("nan"), None])
def test_a_threshold_must_be_a_number_from_0_to_1(bot: Predictor, threshold: Any) -> None:
    if threshold is None:
        bot.decide(full_row(), confidence_threshold=threshold)
        return
    for call in (bot.decide, lambda row, **given: bot.predict([row], **given)):
        with pytest.raises(UsageError, match=r"must lie in \[0, 1\]"):
            call(full_row(), confidence_threshold=threshold)


class ForeignError(Exception):
    pass


class Hostile:
    """A value that raises whatever is asked of it."""

    def _raise(self, *arguments: object) -> Any:
        raise ForeignError

    __float__ = __index__ = __int__ = __len__ = __str__ = __repr__ = __bool__ = _raise
    __add__ = __radd__ = __lt__ = __gt__ = __array__ = __iter__ = __getitem__ = _raise

    def __getattr__(self, name: str) -> Any:
        raise ForeignError

    def __eq__(self, other: object) -> bool:
        raise ForeignError

    __hash__ = object.__hash__


class OddMeta(type):
    def __eq__(cls, other: object) -> bool:
        raise ForeignError

    def __hash__(cls) -> int:
        raise ForeignError


class OddClass(metaclass=OddMeta):
    pass


class Key:
    """A key that is found in the place of a feature's name, and raises when it is compared with it."""

    armed = False

    def __hash__(self) -> int:
        return hash("close")

    def __eq__(self, other: object) -> bool:
        if Key.armed:
            raise ForeignError
        return False

    def __str__(self) -> str:
        raise ForeignError

    __repr__ = __str__


class TextKey(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise ForeignError

    __hash__ = str.__hash__


class OwnFloat(float):
    def __radd__(self, other: object) -> Any:
        raise ForeignError

    __add__ = __float__ = __lt__ = __gt__ = __radd__  # type: ignore[assignment]


class OwnInt(int):
    def __float__(self) -> float:
        raise ForeignError

    __index__ = __int__ = __float__  # type: ignore[assignment]


class OwnDict(dict[str, Any]):
    def keys(self) -> Any:
        raise ForeignError

    __getitem__ = get = items = __iter__ = __contains__ = keys  # type: ignore[assignment]


HOSTILE: list[Any] = [Hostile(), OddClass(), memoryview(b"1.5"), array.array("B", b"1.5"), bytearray(b"1.5")]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type.__dict__["__name__"].__get__(type(value)))
@pytest.mark.parametrize("before", [full_row(), {**full_row(), "vix": None}], ids=["level1", "level2"])
def test_values_that_raise_are_missing(bot: Predictor, value: Any, before: dict[str, Any]) -> None:
    for name in ("close", "vix"):
        bot.decide(before)
        level = "fallback" if name == "close" else "level2"
        row = {**full_row(), name: value}
        assert bot.decide(row).level == level
        assert bot.predict([full_row(), row]).levels.tolist() == ["level1", level]
        assert bot.decide(row, min_level="level2", unavailable={"dxy"}).level == level
        cells = np.empty((1, len(NAMES)), object)
        cells[0] = list(full_row().values())
        cells[0, NAMES.index(name)] = value
        assert bot.predict(cells, names=NAMES).levels.tolist() == [level]


def test_keys_that_raise_are_ignored_and_not_asked(bot: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = bot.decide(full_row())
    rows: list[dict[Any, Any]] = [
        {Key(): 1.0, **full_row()},
        {**full_row(), Key(): 1.0},
        {Hostile(): 1.0, **full_row()},
        {TextKey(name): value for name, value in full_row().items()},
        {np.str_(name): value for name, value in full_row().items()},
        OwnDict(full_row()),
        dict(reversed(full_row().items())),
        {"a\nb": 1.0, **full_row()},
        {b"close": 1.0, 5: 2.0, **full_row()},
    ]
    monkeypatch.setattr(Key, "armed", True)
    for row in rows:
        for _ in range(3):
            assert bot.decide(row) == expected
        assert bot.predict([row])[0] == bot.predict([full_row()])[0]
        bot.decide(full_row())
    with Predictor.open(TRIO) as fresh:
        assert fresh.decide(rows[0]) == expected


def test_a_key_that_holds_a_line_break_is_not_two_keys(bot: Predictor) -> None:
    bot.decide(full_row())
    row = {"close\nvolume" if name == "close" else name: value for name, value in full_row().items()}
    del row["volume"]
    row["rsi2"] = 1.0
    assert len(row) == len(NAMES)
    assert bot.decide(row).level == "fallback"


def test_numbers_that_derive_from_pythons_are_read_as_what_they_are(bot: Predictor) -> None:
    plain = {**full_row(), "close": 3.0, "volume": 2.5}
    row = {**full_row(), "close": OwnInt(3), "volume": OwnFloat(2.5)}
    expected = bot.decide(plain)
    for _ in range(3):
        assert bot.decide(row) == expected
    assert bot.predict([row])[0] == bot.predict([plain])[0]


@pytest.mark.parametrize("value", [2**53 + 1, 2**60 + 2**36 + 1, -(2**62) - 1, 10**30, np.uint64(2**64 - 1)])
def test_large_integers_round_the_same_alone_and_in_a_batch(bot: Predictor, value: int) -> None:
    expected = np.float32(float(int(value)))
    assert np.float32(read_number(value)) == expected
    if abs(int(value)) < 2**63:
        table = np.array([[int(value)] * len(NAMES)], np.int64)
        from gradus_runtime.rows.adapt import adapt

        assert (adapt(table, NAMES, names=NAMES).block(0, 1) == expected).all()


def test_a_matrix_is_an_array(bot: Predictor) -> None:
    order = [8, 3, 1, 0, 2, 7, 5, 6, 4]
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(golden_rows()["features"][:, order])
    got = bot.predict_proba(matrix, names=[NAMES[i] for i in order])
    assert np.abs(got - golden_rows()["level1"]).max() < 1e-6


def test_numpy_set_to_raise_changes_nothing(bot: Predictor) -> None:
    wide = golden_rows()["features"].astype(np.float64)
    wide[0, 8], wide[1, 8], wide[2, 0] = 1e39, 1e-320, 1e-42
    row = {**full_row(), "vix": np.float32(1e38), "dxy": np.float16(6e4), "close": np.float64(1e-320)}
    expected = bot.predict(wide, names=NAMES), bot.decide(row)
    with np.errstate(all="raise"), Predictor.open(TRIO) as fresh:
        for one in (bot, fresh):
            assert (one.predict(wide, names=NAMES).probabilities == expected[0].probabilities).all()
            assert one.decide(row) == expected[1]
            for _ in range(300):
                one.decide(row)
            one.drift()


def test_more_kinds_of_columns_hold_no_numbers(bot: Predictor) -> None:
    rows = [[memoryview(b"1.5")] * len(NAMES), [array.array("d", [1.0, 2.0])] * len(NAMES)]
    assert bot.predict(rows, names=NAMES).levels.tolist() == ["fallback"] * 2
    with pytest.raises(UsageError, match="lists of values must be of one length"):
        bot.predict([memoryview(bytes(9)), memoryview(bytes(9))], names=NAMES)


def test_a_warning_that_is_an_error_changes_nothing() -> None:
    import subprocess

    script = (
        "import sys, numpy as np; from gradus_runtime import Predictor\n"
        "bot = Predictor.open(sys.argv[1]); names = [str(n) for n in bot.feature_names_in_]\n"
        "row = dict.fromkeys(names, np.float32(3e38)); bot.decide(row); bot.decide(row)\n"
        "bot.predict(np.full((3, len(names)), 1e300), names=names); bot.drift()"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(TRIO)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
