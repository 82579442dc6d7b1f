"""The language of feature expressions: what is read, what it means, and where a mistake is."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.candles import random_bars
from tests.support.features import compiled, order_of, run

from gradus_runtime.errors import ConfigError
from gradus_train.features.language import Program

BAR_MS = 900_000
DAILY = ("usd_jpy", "mood")


def values(expression: str, bars: pl.DataFrame, **others: str) -> list[float | None]:
    order = order_of({"f": expression, **others}, daily=DAILY)
    return run(compiled(order), bars)["f"].to_list()


def refusal(expression: str, **others: str) -> str:
    program = Program({"f": expression, **others}, bar_ms=BAR_MS, daily=DAILY, place="order.json")
    with pytest.raises(ConfigError) as caught:
        program.node("f")
    return str(caught.value)


@pytest.mark.parametrize(
    ("expression", "meaning"),
    [
        ("close - 2 - 3", lambda o, c, v: c - 2 - 3),
        ("close - (2 - 3)", lambda o, c, v: c - (2 - 3)),
        ("2 + 3 * close / 4", lambda o, c, v: 2 + 3 * c / 4),
        ("-close * -2", lambda o, c, v: 2 * c),
        ("--close", lambda o, c, v: c),
        ("1e2 + .5 + 2. + close", lambda o, c, v: 102.5 + c),
        ("close > open", lambda o, c, v: float(c > o)),
        ("(close > open) - (close < open)", lambda o, c, v: float(c > o) - float(c < o)),
        ("not close > open or volume == 0", lambda o, c, v: float(not c > o or v == 0)),
        ("close > open and volume > 0 or open > close", lambda o, c, v: float((c > o and v > 0) or o > c)),
        ("where(0 < volume <= 9, 1, 2)", lambda o, c, v: 1 if 0 < v <= 9 else 2),
        ("close != open", lambda o, c, v: float(c != o)),
        ("larger(close, open) + smaller(close, open)", lambda o, c, v: max(c, o) + min(c, o)),
        ("clip(volume, 5, 9)", lambda o, c, v: min(max(v, 5), 9)),
        ("sign(close - open) * abs(open - close)", lambda o, c, v: c - o),
        ("sqrt(volume * volume)", lambda o, c, v: v),
    ],
)
def test_operators_mean_what_they_mean_everywhere(expression: str, meaning: object) -> None:
    bars = random_bars(200, 3)
    rows = zip(bars["open"], bars["close"], bars["volume"], strict=True)
    want = [float(np.float32(meaning(*row))) for row in rows]  # type: ignore[operator]
    assert values(expression, bars) == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("close + * 2", "column 9: a number, a name or a bracket was expected, but got '*'"),
        (
            "lag(close, 1",
            "column 13: ',' was expected or ')' after an argument of lag: the expression ends here",
        ),
        ("close 5", "column 7: an operator or the end of the expression was expected, but got '5'"),
        ("close[5]", "column 6: an expression holds numbers, names, operators, commas and brackets"),
        ("(close", "column 7: ')' was expected to close the bracket: the expression ends here"),
        ("", "column 1: a number, a name or a bracket was expected: the expression ends here"),
        ("1e999 * close", "column 1: a number must be finite, but got '1e999'"),
        ("clos + 1", "column 1: a name must be known on bars, but got 'clos'. Did you mean close"),
        (
            "usd_jpy * 2",
            "a name must be known on bars, but got 'usd_jpy'. A daily series is used as daily(usd_jpy).",
        ),
        (
            "emma(close, 20, 640)",
            "column 1: a function must be known, but got 'emma(close, 20, 640)'. Known: ema",
        ),
        ("ema(close, 20)", "ema(x, bars, window) takes 3 arguments, but got 'ema(close, 20)'. `window` says"),
        ("mean(close)", "column 1: mean(x, bars) takes 2 arguments, but got 'mean(close)'"),
        ("1 + mean(close, 2.0)", "column 17: bars must be a whole number of 2 or more, but got '2.0'"),
        ("lag(close, -1)", "column 12: bars must be a whole number of 1 or more, but got '-1'"),
        ("lag(close, volume)", "column 12: bars must be a whole number of 1 or more, but got 'volume'"),
        ("max(close, 20001)", "column 12: bars must be at most 20,000, but got '20001'"),
        ("ema(close, 20, 19)", "column 16: window must be a whole number of 20 or more, but got '19'"),
        ("where(close, 1, 2)", "column 7: a comparison was expected, but got 'close'. For example: x > 0."),
        ("close > 1 and volume", "column 15: a comparison was expected, but got 'volume'"),
        ('close + "4h"', "column 9: a value must be a number, but got '\"4h\"'"),
        (
            'resample("4x", close)',
            "column 10: a length was expected: a multiple of 15 minutes that divides a day",
        ),
        ('resample("7h", close)', 'that divides a day, but got \'"7h"\'. For example: "4h".'),
        ('resample("5m", close)', "a length was expected: a multiple of 15 minutes"),
        ('resample("4h", hour)', "column 16: a name must be known inside of resample(), but got 'hour'"),
        ('resample("4h", daily(mood))', "column 16: daily() must not stand inside of resample() or daily()"),
        (
            "daily(close + high)",
            "column 15: a name must be known inside of daily(), but got 'high'. Known: close, usd_jpy, mood.",
        ),
        ("daily(mod)", "column 7: a name must be known inside of daily(), but got 'mod'. Did you mean mood?"),
        ("daily(5)", "column 1: a daily series was expected inside of daily(), but got 'daily(5)'"),
        ("sine(close, 24)", "sine() takes a calendar field: hour, minute, day_of_week, month, but got"),
        ("cosine(hour, 20)", "a period must not be below the largest value of the field"),
        ("7", "order.json: f: a feature must depend on the bar, but got '7'"),
        ("f + 1", "an expression must not use itself, but got 'f -> f'"),
        ("__import__('os')", "column 1: a function must be known"),
        ("(" * 100 + "close" + ")" * 100, "an expression must nest at most 60 deep"),
        ("-" * 300 + "close", "an expression must nest at most 180 deep"),
        ("+".join(["close"] * 600), "an expression must nest at most 180 deep"),
        ("1" * 6000, "an expression must have at most 5,000 characters"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_was_expected(expression: str, message: str) -> None:
    text = refusal(expression)
    assert text.startswith("order.json: f")
    assert message in text


@pytest.mark.parametrize(
    "name", ["obv(close, volume)", "cumsum(close)", "sar(high, low)", "ad(close, volume)"]
)
def test_what_has_no_finite_history_is_refused_by_name(name: str) -> None:
    text = refusal(name)
    assert f"{name.split('(')[0]} has no finite history: it depends on every bar since the first" in text
    assert "Use " in text or "use " in text


def test_a_mistake_in_a_term_is_named_in_the_term() -> None:
    text = refusal("spread * 2", spread="high - lowe")
    assert text.startswith("order.json: spread, column 8: a name must be known on bars, but got 'lowe'")


def test_terms_that_use_each_other_in_a_circle_are_refused_with_the_circle() -> None:
    assert "'a -> b -> a'" in refusal("a + 1", a="b * 2", b="a / 2")


def test_an_unused_term_is_checked_too() -> None:
    order = order_of({"f": "close"}, terms={"spare": "lag(close)"})
    with pytest.raises(ConfigError, match=r"spare, column 1: lag\(x, bars\) takes 2 arguments"):
        compiled(order)


def test_a_term_means_its_value_wherever_it_stands() -> None:
    bars = random_bars(900, 5)
    direct = values('resample("1h", (high - low) / close) + lag((high - low) / close, 2)', bars)
    named = values('resample("1h", width) + lag(width, 2)', bars, width="(high - low) / close")
    assert named == direct
    assert sum(v is not None for v in named) > 800


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(list("close12+-*/(),.<>=! \"'e_andortmx\x00é")), max_size=40))
def test_any_text_is_an_expression_or_a_config_error(text: str) -> None:
    place = ""
    try:
        Program({"f": text}, bar_ms=BAR_MS, daily=DAILY).node("f")
    except ConfigError as error:
        place = str(error.place)
    assert re.match(r"features: f|$", place)


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ("close", "price"),
        ("volume", "volume"),
        ("close - ema(open, 20, 640)", "price difference"),
        ("(high + low + close) / 3", "price"),
        ("ema(close, 20, 640)", "price"),
        ("mean(close, 5)", "price"),
        ("max(high, 20) - std(close, 5)", "price"),
        ("-close", "price difference"),
        ("close * hour", "price difference"),
        ("where(close > open, close, open)", "price"),
        ('resample("4h", ema(close, 3, 20))', "price"),
        ("close / open - 1", "number"),
        ("close * volume", "price*volume"),
        ("sum(close * volume, 9) / sum(volume, 9)", "price"),
        ("sqrt(close * open)", "price"),
        ("sqrt(close)", "mixed"),
        ("volume / close", "volume/price"),
        ("1 / close", "1/price"),
        ("close * close", "price^2"),
        ("close + volume", "mixed"),
        ("where(close > open, close, 0)", "price difference"),
        ("larger(high - low, 0)", "price difference"),
        ("close > 5", "number"),
        ("hour * 2", "number"),
        ("log(close / open)", "number"),
        ("log(close)", "mixed"),
        ("daily(usd_jpy)", "usd_jpy"),
        ("close * daily(usd_jpy)", "price*usd_jpy"),
        ('resample("4h", volume)', "volume"),
        ("std(close, 5) + close * 1e-12", "price difference"),
        ("correlation(close, volume, 9)", "number"),
    ],
)
def test_the_unit_of_a_feature_follows_from_its_expression(expression: str, unit: str) -> None:
    program = Program({"f": expression}, bar_ms=BAR_MS, daily=DAILY)
    assert str(program.node("f").unit) == unit


def test_equal_parts_of_expressions_are_one_node() -> None:
    program = Program(
        {"a": "(close - low) / (high - low)", "b": "1 - (close - low) / (high - low)"}, bar_ms=BAR_MS
    )
    first = program.node("a")
    count = len(program.builder.nodes)
    second = program.node("b")
    assert first in second.args
    assert len(program.builder.nodes) == count + 2  # the literal and the difference
