"""Rows of any kind: never an exception, always probabilities."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.golden import PAIR, TRIO

from gradus_runtime import Predictor
from gradus_runtime.decision import Decision, Predictions

SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4028235e38, -3.4028235e38, 3.4028236e38, 1e39, 1e308]
SPECIAL += [math.nan, math.inf, -math.inf, 1e-35, -1e-35]
STRANGE: list[Any] = [
    None,
    "",
    "1",
    "nan",
    b"1",
    True,
    False,
    10**400,
    -(10**30),
    2**63,
    [],
    [1.0],
    (),
    {},
    1j,
]
STRANGE += [
    np.float32("nan"),
    np.float16(1),
    np.int64(-1),
    np.uint64(2**64 - 1),
    np.datetime64("NaT"),
    object(),
]
STRANGE += [np.array([1.0, 2.0]), np.array(1.0), np.str_("x"), np.bool_(True), range(3), float, Ellipsis]


def check_decision(decision: Decision) -> None:
    probabilities = list(decision.probabilities.values())
    assert all(0.0 <= p <= 1.0 for p in probabilities)
    assert abs(sum(probabilities) - 1.0) < 1e-5
    assert 0.0 <= decision.confidence <= 1.0
    assert decision.action in decision.probabilities
    assert decision.level in ("level1", "level2", "level3", "fallback")
    assert decision.reasons or decision.level == "level1"


def check_predictions(predictions: Predictions) -> None:
    probabilities = predictions.probabilities
    assert np.isfinite(probabilities).all()
    assert probabilities.min(initial=0.0) >= 0.0
    assert probabilities.max(initial=1.0) <= 1.0
    assert (np.abs(probabilities.sum(axis=1) - 1.0) < 1e-5).all()
    assert set(predictions.actions.tolist()) <= set(predictions.classes)


def hostile_table(random: Any, rows: int, columns: int) -> np.ndarray[Any, Any]:
    """Random bit patterns, special values, strange layouts and dtypes."""
    kind = int(random.integers(0, 6))
    bits = random.integers(0, 2**32, (rows, columns), dtype=np.uint32)
    table: np.ndarray[Any, Any] = bits.view(np.float32)
    if kind == 1:
        table = random.integers(0, 2**64, (rows, columns), dtype=np.uint64).view(np.float64)
    elif kind == 2:
        table = random.choice(np.array(SPECIAL), (rows, columns))
    elif kind == 3:
        table = np.asfortranarray(random.normal(0, 10, (rows, columns)).astype(np.float32))
        table[random.random(table.shape) < 0.02] = np.nan
    elif kind == 4:
        table = random.integers(-(2**62), 2**62, (rows * 2, columns))[::2]
    elif kind == 5:
        table = random.normal(0, 1, (rows, columns)).astype(">f8")[:, ::-1]
    return table


def hostile_row(random: Any, names: list[str]) -> Mapping[str, Any]:
    row: dict[str, Any] = {}
    for name in names:
        choice = random.random()
        if choice < 0.9:
            row[name] = float(random.normal())
        elif choice < 0.95:
            row[name] = SPECIAL[int(random.integers(len(SPECIAL)))]
        elif choice < 0.98:
            row[name] = STRANGE[int(random.integers(len(STRANGE)))]
    if random.random() < 0.1:
        row["extra"] = object()
    return defaultdict(float, row) if random.random() < 0.1 else row


def options_of(random: Any) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if random.random() < 0.2:
        options["fill"] = {"external_api": 0.0}
    if random.random() < 0.2:
        options["unavailable"] = {"signals"}
    if random.random() < 0.2:
        options["min_level"] = "level2"
    if random.random() < 0.2:
        options["use_confidence"] = False
    return options


def hostile_run(bot: Predictor, table_rows: int, single_rows: int, seed: int) -> int:
    random = np.random.Generator(np.random.PCG64(seed))
    names = [str(name) for name in bot.feature_names_in_]
    done = 0
    while done < table_rows:
        rows = int(random.integers(1, 5000))
        table = hostile_table(random, rows, len(names))
        predictions = bot.predict(table, names=names, **options_of(random))
        check_predictions(predictions)
        check_decision(predictions[int(random.integers(rows))])
        done += rows
    for _ in range(0, single_rows, 4):
        rows_of_4 = [hostile_row(random, names) for _ in range(4)]
        options = options_of(random)
        singles = [bot.decide(row, **options) for row in rows_of_4]
        batch = bot.predict(rows_of_4, **options)
        check_predictions(batch)
        for one, other in zip(singles, batch, strict=True):
            check_decision(one)
            assert (one.level, one.reasons) == (other.level, other.reasons)
    return done + single_rows


def test_random_hostile_rows_always_get_probabilities() -> None:
    with Predictor.open(TRIO) as bot:
        assert hostile_run(bot, table_rows=30_000, single_rows=2_000, seed=1) >= 32_000
        assert bot.health().status == "ok"


@pytest.mark.long
def test_1000000_hostile_rows_always_get_probabilities() -> None:
    def memory() -> int:
        line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmRSS"))
        return int(line.split()[1])

    with Predictor.open(TRIO) as bot:
        hostile_run(bot, table_rows=200_000, single_rows=20_000, seed=1)
        before = memory()
        done = hostile_run(bot, table_rows=800_000, single_rows=240_000, seed=2)
        grown = memory() - before
        assert done >= 1_000_000
        assert bot.health().status == "ok"
        assert bot.drift().rows >= 1_000_000
    print(f"{done} rows, memory grew by {grown} kB")
    assert grown < 4_096


PAIR_NAMES = ("close", "volume", "rsi", "usd_jpy", "vix")


@functools.cache
def pair() -> Predictor:
    return Predictor.open(PAIR)


values = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True, width=64),
    st.integers(),
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.lists(st.floats(), max_size=2),
    st.datetimes(),
    st.timedeltas(),
)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(["close", "volume", "rsi", "usd_jpy", "vix", "other", ""]), values))
def test_hypothetical_rows_always_get_probabilities(row: dict[str, Any]) -> None:
    bot = pair()
    given = [row[name] for name in PAIR_NAMES if name in row]
    if len(given) >= 3 and all(isinstance(value, list) for value in given):
        return  # columns: a table, of which `test_rows_of_every_kind` has more to say
    single = bot.decide(row)
    check_decision(single)
    (batch,) = bot.predict([row])
    assert (single.level, single.reasons) == (batch.level, batch.reasons)
