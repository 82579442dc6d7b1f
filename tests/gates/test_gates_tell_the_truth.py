"""How often the gates accept where there is no edge, and how often they find one.

The short form runs with the suite; `make gates-long` runs the long form and prints the figures. Seeds,
counts of series and bounds are fixed here: they are the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.gates.series import constant, judged, series
from tests.gates.small_markets import embedded_verdict, small_market, small_verdict

from gradus_live.costs import Costs
from gradus_train.evaluation.suspicion import suspicions

FREE = Costs("none", "2026-01-01", 0.0, 0.0, 0.0, 0.0, 0.0)
SHAPES = ((8_000, 0.8), (8_000, 0.95), (3_000, 0.9), (15_000, 0.9))
HOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)


def without_edge(number: int) -> str:
    """A series without edge; its shape goes round, and so does its share of HOLD."""
    n, stays = SHAPES[number % len(SHAPES)]
    return judged(series(number, n, stays=stays, hold=HOLDS[number % len(HOLDS)]), FREE).name


def always_hold(number: int) -> str:
    wobble = (0.0, 1e-4)[number % 2]
    return judged(constant(number, 5_000, HOLDS[number % len(HOLDS)], wobble), FREE).name


def with_edge(ic: float, n: int, number: int) -> str:
    return judged(series(10_000 + number, n, ic=ic, hold=(0.6, 0.7, 0.8)[number % 3]), FREE).name


def verdicts(make: Callable[[int], str], count: int) -> list[str]:
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(make, range(count), chunksize=4))


def knows_which_way(names: Sequence[str]) -> int:
    return sum(name in ("direction", "tradable") for name in names)


def upper_bound(k: int, n: int) -> float:
    """The share that would give k or fewer of n in 5 % of cases (Clopper and Pearson, 1934), by bisection."""
    low, high = k / n, 1.0
    for _ in range(60):
        p = (low + high) / 2
        few = sum(
            math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
                     + i * math.log(p) + (n - i) * math.log1p(-p))
            for i in range(k + 1)
        )  # fmt: skip
        low, high = (p, high) if few > 0.05 else (low, p)
    return low


# ---------------------------------------------------------------- the short form


def test_few_series_without_edge_are_accepted() -> None:
    assert knows_which_way([without_edge(i) for i in range(40)]) <= 1


def test_no_model_that_always_says_hold_is_better_than_none() -> None:
    assert {always_hold(i) for i in range(14)} == {"none"}


@pytest.mark.parametrize(("ic", "n"), [(0.16, 15_000), (0.12, 35_000)])
def test_a_real_edge_is_found(ic: float, n: int) -> None:
    assert knows_which_way([with_edge(ic, n, i) for i in range(3)]) == 3


def test_a_small_market_without_edge_is_not_accepted() -> None:
    assert small_verdict(1) not in ("direction", "tradable")


def test_the_future_is_found() -> None:
    """The gates can say yes: a planted look at the future is called more than moves."""
    assert small_verdict(1, peek=True) in ("direction", "tradable")


# ---------------------------------------------------------------- the long form


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_at_most_one_percent_of_series_without_edge_are_accepted() -> None:
    names = verdicts(without_edge, 2_000)
    for what, k in (("direction", knows_which_way(names)), ("tradable", names.count("tradable"))):
        print(
            f"{what}: {k} of 2,000 series without edge accepted, at most {upper_bound(k, 2_000):.2%} (95 %)"
        )
        assert k <= 20
        assert upper_bound(k, 2_000) <= 0.015


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_none_of_many_models_that_always_say_hold_is_accepted() -> None:
    names = verdicts(always_hold, 168)
    print(f"always HOLD, 40 to 97 %: {168 - names.count('none')} of 168 better than none")
    assert set(names) == {"none"}


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("ic", "n"), [(0.16, 15_000), (0.12, 35_000)])
def test_nine_of_ten_edges_are_found(ic: float, n: int) -> None:
    names = verdicts(partial(with_edge, ic, n), 100)
    print(f"IC {ic} in {n:,} rows: direction found in {knows_which_way(names)} of 100")
    assert knows_which_way(names) >= 90


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_at_most_four_of_200_small_markets_without_edge_are_accepted() -> None:
    names = verdicts(small_verdict, 200)
    counts = {name: names.count(name) for name in ("none", "moves", "direction", "tradable")}
    print(f"200 trained small markets without edge: {counts}")
    assert counts["direction"] + counts["tradable"] <= 4
    assert counts["tradable"] <= 4


def suspects(seed: int, *, peek: bool = False) -> list[str]:
    found = suspicions(small_market(seed, peek=peek))
    assert found is not None
    return [s.feature for s in found]


def test_a_planted_look_at_the_future_is_named() -> None:
    assert suspects(1) == []
    assert suspects(1, peek=True) == ["r1"]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_feature_of_200_small_markets_without_edge_is_suspected() -> None:
    assert [seed for seed in range(200) if suspects(seed)] == []


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("signal", "least"), [(1.0, 9), (0.5, 9)])
def test_the_embedded_market_has_a_direction(signal: float, least: int, tmp_path: Path) -> None:
    names = [embedded_verdict(seed, signal, tmp_path / str(seed)) for seed in range(10)]
    print(f"embedded market at {signal} of its signal: direction found in {knows_which_way(names)} of 10")
    assert knows_which_way(names) >= least


def test_the_bound_is_clopper_and_pearsons() -> None:
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((0, 100), (3, 482), (20, 2_000)):
        assert upper_bound(k, n) == pytest.approx(stats.beta.ppf(0.95, k + 1, n - k), rel=1e-6)


def test_the_tilt_of_a_series_correlates_as_asked() -> None:
    for ic in (0.0, 0.12, 0.16):
        e = series(5, 30_000, ic=ic)
        assert e.trades is not None
        assert e.sigma is not None
        tilt = e.probabilities[:, 2] - e.probabilities[:, 0]
        found = np.corrcoef(tilt, e.trades.long / e.sigma)[0, 1]
        assert 0.6 * ic - 0.02 <= found <= ic + 0.02
