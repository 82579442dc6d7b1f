"""Bins and days are counted as a plain rule counts them: value by value, edge by edge."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left

import numpy as np
import pytest
from tests.support.golden import TRIO

from gradus_runtime.contracts.manifest import Histogram, Manifest, parse
from gradus_runtime.contracts.manifest.drift import DAYS, Drift
from gradus_runtime.monitoring.bins import Bins
from gradus_runtime.monitoring.drift_counts import DriftCounts
from gradus_runtime.routing.schema import Schema

MANIFEST = parse((TRIO / "manifest.json").read_bytes())
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38]

EDGES: list[tuple[float, ...] | None] = [
    (0.5,),
    None,
    (-1.0, -0.0, 1e-46, 1e-45, 1.0),  # two edges without a float32 between them
    (0.1, 0.1 + 1e-12, 0.2, 0.30000001, 1e300),  # none of them is a float32
    (-1e300, -3.4028235e38, 3.4028235e38),
    tuple(np.linspace(-3, 3, 32).tolist()),
    tuple(np.linspace(-3, 3, 33).tolist()),
    tuple(np.sort(np.random.default_rng(4).normal(0, 2, 1024)).tolist()),
    (-0.25, 0.25),
]


def manifest_of(edges: list[tuple[float, ...] | None], rows_per_day: int = 0) -> Manifest:
    features = [
        dataclasses.replace(f, histogram=None if e is None else Histogram(e, (1,) * (len(e) + 1)))
        for f, e in zip(MANIFEST.features, edges, strict=True)
    ]
    drift = Drift(rows_per_day, 1, ()) if rows_per_day else None
    manifest: Manifest = dataclasses.replace(MANIFEST, features=tuple(features), drift=drift)
    return manifest


def table(seed: int, count: int) -> np.ndarray:
    """Values, the edges and their float32 neighbours, and what no value should be."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 2, (count, len(EDGES))).astype(np.float32)
    with np.errstate(all="ignore"):
        for i, edges in enumerate(EDGES):
            at = np.float32(edges or (0.0,))
            near = np.concatenate([at, np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9))])
            pool = np.concatenate([near, np.float32(SPECIAL)])
            chosen = rng.random(count) < 0.5
            rows[chosen, i] = rng.choice(pool, chosen.sum())
    return rows


def plainly(edges: tuple[float, ...], values: np.ndarray) -> list[int]:
    counts = [0] * (len(edges) + 1)
    for value in values.tolist():
        if abs(value) < float("inf"):
            counts[bisect_left(edges, value)] += 1
    return counts


@pytest.mark.parametrize("count", [0, 1, 7, 256, 2048])
def test_every_value_is_counted_in_the_bin_of_the_edges_below_it(count: int) -> None:
    bins, rows = Bins(manifest_of(EDGES)), table(count, count)
    found = bins.split(bins.count(bins.arrange(rows, np.isfinite(rows))))
    for i, edges in enumerate(EDGES):
        own = found[i]
        assert (own is None) == (edges is None)
        if own is not None and edges is not None:
            assert own.tolist() == plainly(edges, rows[:, i])


@pytest.mark.parametrize("count", [2039, 2040, 2041, 5000])
def test_as_many_rows_as_there_are_may_lie_above_an_edge(count: int) -> None:
    bins, rows = Bins(manifest_of([(-1.0, 0.0)] * len(EDGES))), np.ones((count, len(EDGES)), np.float32)
    assert bins.of(rows).tolist() == [0, 0, count] * len(EDGES)


def test_features_without_histograms_are_counted_nowhere() -> None:
    bins, rows = Bins(manifest_of([None] * len(EDGES))), table(1, 5)
    assert bins.count(bins.arrange(rows, np.isfinite(rows))).tolist() == []


@pytest.mark.parametrize("size", [1, 5, 24, 500, 2048])
@pytest.mark.parametrize("rows_per_day", [1, 3, 24, 96, 1440])
def test_days_are_those_of_rows_counted_in_pieces_of_any_size(size: int, rows_per_day: int) -> None:
    edges = EDGES[:1] * len(EDGES)
    manifest = manifest_of(edges, rows_per_day)
    counts, rows = DriftCounts(manifest, Schema(manifest)), table(2, 5000 if size > 24 else 700)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        n = len(part)
        counts.block(part, np.zeros(n, np.uint8), np.zeros(n, np.intp), np.ones(n, np.float32))
    complete, rest = divmod(len(rows), rows_per_day)
    totals = counts.totals
    assert (len(totals.days), totals.today_rows) == (min(DAYS, complete), rest)
    pieces = [
        rows[d * rows_per_day : (d + 1) * rows_per_day]
        for d in range(complete - len(totals.days), complete + 1)
    ]
    for found, piece in zip((*totals.days, totals.today), pieces, strict=True):
        expected = [plainly(e or (), piece[:, i]) for i, e in enumerate(edges)]
        assert found.tolist() == np.concatenate(expected).tolist()
    assert counts.latest(totals)[0] == min(DAYS, complete)
