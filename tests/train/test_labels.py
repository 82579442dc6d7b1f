"""Labels against a rule that looks every bar's horizon up by its time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradus_runtime.errors import ConfigError
from gradus_train.labels import NO_LABEL, LabelSpec, make_labels

BAR = 900_000


def label(close: list[float], classes: tuple[str, ...], **rule: float) -> list[int]:
    time = np.arange(len(close), dtype=np.int64) * BAR
    spec = LabelSpec(
        horizon=int(rule.get("horizon", 1)), threshold=rule.get("threshold", 0.01), classes=classes
    )
    return make_labels(time, np.array(close), BAR, spec).tolist()


THREE, TWO = ("SELL", "HOLD", "BUY"), ("REST", "BUY")


def test_three_classes_are_below_within_and_above_the_threshold() -> None:
    assert label([100, 102, 100, 100.5, 99], THREE) == [2, 0, 1, 0, NO_LABEL]


def test_two_classes_are_above_the_threshold_and_not() -> None:
    assert label([100, 102, 100, 100.5, 99], TWO) == [1, 0, 0, 0, NO_LABEL]
    assert label([100, 100, 101, 100], TWO, threshold=0) == [0, 1, 0, NO_LABEL]


@pytest.mark.parametrize("price", [1000, 200, 777_000, 3_000_000])
def test_a_return_of_exactly_the_threshold_is_not_beyond_it(price: int) -> None:
    for sign, threshold in ((1, 0.005), (-1, 0.005), (1, 0.01), (-1, 0.01)):
        after = float(price * (1 + sign * Fraction(str(threshold))))
        assert label([price, after], THREE, threshold=threshold)[0] == 1
        assert label([price, after * (1 + sign * 1e-9)], THREE, threshold=threshold)[0] == 1 + sign


@settings(max_examples=100, deadline=None)
@given(
    present=st.lists(st.booleans(), min_size=1, max_size=40),
    horizon=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_a_label_needs_every_bar_of_its_horizon(present: list[bool], horizon: int, seed: int) -> None:
    close = np.random.default_rng(seed).uniform(95, 105, len(present))
    kept = [i for i, here in enumerate(present) if here]
    time = np.array(kept, dtype=np.int64) * BAR
    spec = LabelSpec(horizon, 0.02, THREE)
    got = make_labels(time, close[kept], BAR, spec).tolist()
    for i, value in zip(kept, got, strict=True):
        horizon_bars = range(i, i + horizon + 1)
        if any(j >= len(present) or not present[j] for j in horizon_bars):
            assert value == NO_LABEL
        else:
            change = close[i + horizon] / close[i] - 1
            assert value == (2 if change > 0.02 else 0 if change < -0.02 else 1)


def test_rules_of_labels_are_checked() -> None:
    with pytest.raises(ConfigError, match="horizon: a horizon must be at least 1 bar, but got 0"):
        LabelSpec(horizon=0)
    with pytest.raises(ConfigError, match=r"threshold: a threshold must be in \[0, 1\), but got -0\.1"):
        LabelSpec(threshold=-0.1)
    for classes in (("A",), ("A", "A"), ("A", "B", "C", "D")):
        with pytest.raises(ConfigError, match="two or three different classes are needed"):
            LabelSpec(classes=classes)
