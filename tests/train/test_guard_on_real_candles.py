"""Both real files, retrained weekly, pinned for eight weeks: the guard fires on planted units alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.features import compiled

from gradus_convert.artifact.assemble import GUARD
from gradus_runtime.candles import COLUMNS
from gradus_runtime.contracts.features_graph import FeaturesSpec
from gradus_runtime.contracts.manifest import FeatureSpec
from gradus_runtime.routing.guard import _bounds
from gradus_train.features import CompiledFeatures, FeatureSettings, builtin_order, compute_features
from gradus_train.ingest import load_candles, load_daily

pytestmark = pytest.mark.real_data

FILES = ("btc_jpy_15m.csv", "btc_usdt_15m_2024.csv")
DAY = 86_400_000
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def graph() -> CompiledFeatures:
    return compiled(None, settings=FeatureSettings())


def bars_of(folder: Path, name: str) -> tuple[Any, Any]:
    daily = load_daily(folder / "macro_daily.csv", builtin_order().daily).frame
    return load_candles(folder / name, bar_ms=900_000).frame, daily


def values_of(graph: CompiledFeatures, candles: Any, daily: Any) -> Array:
    made = compute_features(graph, candles, daily)
    return made.values[~made.bars.bridged]


def weeks(times: Array) -> Iterator[tuple[Array, Array]]:
    """Rows of training, and those of the eight weeks after it, for four lengths of training."""
    for days in (60, 90, 120, 180):
        for now in range(int(times[0]) + days * DAY, int(times[-1]), 7 * DAY):
            yield (times >= now - days * DAY) & (times < now), (times >= now) & (times < now + 56 * DAY)


def bounds(spec: FeaturesSpec, rows: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):
        low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    found = []
    for column, least, most in zip(spec.features, low.tolist(), high.tolist(), strict=True):
        known = not np.isnan(least)
        fact = FeatureSpec(
            column.name, "all", "float32", least if known else None, most if known else None, None
        )
        judged = column.inputs != ("calendar",)
        pair = _bounds(fact, GUARD, is_price=column.unit == "price") if judged else (-np.inf, np.inf)
        found.append(pair)
    limits = np.array(found).T
    return limits[0], limits[1]


def rows_to_fit(times: Array, values: Array) -> Array:
    """Which rows a fit can have: with every feature, and with the bar after it, which every label needs."""
    followed = np.append(np.diff(times) == 900_000, False)
    result: Array = followed & ~np.isnan(values).any(axis=1)
    return result


PLANTED: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "prices / 150": (1.0, lambda c: c.with_columns(c[list(COLUMNS[:4])] / 150)),
    "volume * 1e8": (0.98, lambda c: c.with_columns(c["volume"] * 1e8)),
}


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("name", FILES)
def test_it_fires_on_no_row_and_on_rows_in_other_units(
    development_data: Path, graph: CompiledFeatures, name: str
) -> None:
    candles, daily = bars_of(development_data, name)
    times = candles["timestamp"].to_numpy()
    values = values_of(graph, candles, daily)
    planted = {what: values_of(graph, change(candles), daily) for what, (_, change) in PLANTED.items()}
    fit = rows_to_fit(times, values)
    judged, found = 0, dict.fromkeys((*PLANTED, "zeros", "row * 1e6"), 0)
    for before, after in weeks(times):
        low, high = bounds(graph.spec, values[before & fit])

        def odd(rows: Array, low: Array = low, high: Array = high) -> Array:
            return ((rows < low) | (rows > high)).any(axis=1)

        assert not odd(values[after]).any()
        judged += int(after.sum())
        for what, rows in planted.items():
            found[what] += int(odd(rows[after]).sum())
        found["zeros"] += int(odd(np.zeros_like(values[after])).sum())
        found["row * 1e6"] += int(odd(values[after] * np.float32(1e6)).sum())
    assert judged > 200_000
    assert found["prices / 150"] == found["zeros"] == found["row * 1e6"] == judged
    assert found["volume * 1e8"] > 0.98 * judged
