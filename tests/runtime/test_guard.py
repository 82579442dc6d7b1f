"""The guard against rows in other units: what it judges, what it holds back, and that nothing stays held."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import OLDER_TRIO, PAIR, TRIO, TRIO_NAMES, changed, full_row, golden_rows, variant
from tests.support.manifests import sample_manifest

from gradus_runtime import Predictor
from gradus_runtime.contracts.features_graph import FeaturesGraph, FeaturesSpec, GapRule, ZoneTable
from gradus_runtime.contracts.features_graph import GraphColumn as Column
from gradus_runtime.contracts.manifest import FeatureSpec, GuardRule, Manifest, parse
from gradus_runtime.errors import ManifestError, UsageError
from gradus_runtime.journal import read_journal
from gradus_runtime.routing.guard import guard_of
from gradus_runtime.serving.replay import replay
from gradus_runtime.store import open_artifact

RULE = GuardRule(3.0, 10.0)
FACTS = {f.name: f for f in parse((TRIO / "manifest.json").read_bytes()).features}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return variant(TRIO, tmp_path_factory.mktemp("guarded") / "2026.11.21", change=changed(guard=RULE))


@pytest.fixture
def bot(guarded: Path) -> Predictor:
    return Predictor.open(guarded)


def limit(name: str, side: int) -> float:
    """The last value that is not too far, by the rule in plain numbers."""
    low, high = FACTS[name].minimum, FACTS[name].maximum
    assert low is not None
    assert high is not None
    bound = np.float32(high + 10 * (high - low)) if side > 0 else np.float32(low - 10 * (high - low))
    return float(bound)


@pytest.mark.parametrize("name", TRIO_NAMES)
@pytest.mark.parametrize("side", [-1, 1])
def test_a_value_beyond_its_bound_counts_as_missing_alone_and_in_a_table(
    bot: Predictor, name: str, side: int
) -> None:
    for row in (full_row(0), full_row(1)):  # the second one finds the quick way ready
        bot.decide(full_row(2))
        at = {**row, name: limit(name, side)}
        beyond = {**row, name: float(np.nextafter(np.float32(at[name]), np.float32(side * np.inf)))}
        without = {key: value for key, value in row.items() if key != name}
        with Predictor.open(bot._source.source, guard="off") as off:
            assert bot.decide(at) == off.decide(at)
            held = bot.decide(beyond)
            same = off.decide(without)
        assert (held.level, held.probabilities, held.action) == (same.level, same.probabilities, same.action)
        why = f"guard: treated as missing, as far from its range in training: {name} ("
        assert held.reasons[:-1] == same.reasons
        assert held.reasons[-1].startswith(why)
        table = bot.predict([at, beyond, row])
        assert [bot.decide(r).level for r in (at, beyond, row)] == table.levels.tolist()
        assert [bot.decide(r).reasons for r in (at, beyond, row)] == list(table.reasons)
        assert np.array_equal(table.probabilities[1], np.float32(list(held.probabilities.values())))


def test_a_row_in_other_units_gets_the_fallback_and_the_next_row_a_level(bot: Predictor) -> None:
    row = full_row(3)
    before = bot.decide(row)
    odd = bot.decide({name: value * 1e6 for name, value in row.items()})
    assert odd.level == "fallback"
    assert odd.reasons[-1].endswith("and 6 more")
    assert bot.decide(row) == before


def test_without_the_guard_such_a_row_is_answered(guarded: Path) -> None:
    row = {name: value * 1e6 for name, value in full_row(3).items()}
    with Predictor.open(guarded, guard="off") as off, Predictor.open(guarded, guard="warn") as warn:
        answer, told = off.decide(row), warn.decide(row)
        assert answer.level == told.level == "level1"
        assert answer.reasons == ()
        assert told.reasons[0].startswith("guard: far from its range in training: close (")
        assert told.probabilities == answer.probabilities
        assert warn.decide(row) == told
        assert list(warn.predict([row, full_row(3)]).reasons) == [told.reasons, ()]


def test_what_was_filled_is_not_judged_and_what_is_too_far_is_not_filled(bot: Predictor) -> None:
    row = full_row(4)
    del row["usd_jpy"]
    far = {**row, "vix": 1e9}
    for answers in (
        lambda rows, **more: [bot.decide(r, **more) for r in rows],
        lambda rows, **more: list(bot.predict(rows, **more)),
    ):
        filled, held = answers([row, far], fill={"usd_jpy": 1e9, "vix": 0.0, "dxy": 0.0})
        assert filled.level == "level1"
        assert filled.reasons == ("filled by the caller: usd_jpy",)
        assert held.level == "level2"
        assert held.reasons[0] == "level1: missing vix"
        declared = answers([far], unavailable=["vix"])[0]
        assert not any("guard" in reason for reason in declared.reasons)


def test_rows_that_hold_anything_are_judged_without_a_word_of_numpy(bot: Predictor) -> None:
    hostile = [math.nan, math.inf, -math.inf, None, "text", 1e300, -0.0, True]
    with np.errstate(all="raise"):
        for value in hostile:
            row = {**full_row(0), "close": value}
            single, table = bot.decide(row), bot.predict([row])[0]
            assert (single.level, single.reasons) == (table.level, table.reasons)


def test_a_journal_keeps_the_values_and_is_replayed(guarded: Path, tmp_path: Path) -> None:
    rows = [full_row(0), {**full_row(1), "vix": 1e9}, {n: v * 1e6 for n, v in full_row(2).items()}]
    with Predictor.open(guarded, journal=tmp_path) as keeps:
        decided = [keeps.decide(row) for row in rows]
        bot = Predictor.open(guarded)
        assert [d.reasons for d in decided] == [bot.decide(row).reasons for row in rows]
        keeps.predict(rows, journal=True)
    with Predictor.open(guarded, journal=tmp_path, guard="off") as unguarded:
        unguarded.decide(rows[2])
    content = read_journal([tmp_path])
    report = replay(content.decisions, lambda version: open_artifact(guarded))
    assert (report.replayed, report.different) == (7, 0)
    values = content.decisions[1].values
    assert values is not None
    assert values[TRIO_NAMES.index("vix")] == np.float32(1e9)


def test_an_artifact_without_the_rule_is_not_judged() -> None:
    for folder in (TRIO, OLDER_TRIO, PAIR):
        with open_artifact(folder) as artifact:
            assert artifact.manifest.guard is None
            assert guard_of(artifact.manifest, "step_down") is None


def test_many_threads_judge_their_own_rows(bot: Predictor) -> None:
    from concurrent.futures import ThreadPoolExecutor

    rows = [full_row(i) if i % 2 else {**full_row(i), "atr": -1e7} for i in range(24)]
    want = [bot.decide(row) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert list(pool.map(bot.decide, rows)) == want


COLUMNS = {
    "close": ("price", ("close",)),
    "spread": ("price difference", ("close",)),
    "hour": ("number", ("calendar",)),
    "hour_volume": ("volume", ("calendar", "volume")),
    "flat": ("price", ("close",)),
    "below": ("price", ("close",)),
}


def manifest_of(ranges: dict[str, tuple[float | None, float | None]], *, graph: bool = True) -> Manifest:
    features = tuple(FeatureSpec(n, "market", "float32", *pair, None) for n, pair in ranges.items())
    zone = ZoneTable("UTC", 0, 1, (), (0,))
    columns = tuple(Column(n, "1", *COLUMNS[n], 1, 1, 0) for n in ranges if n in COLUMNS)
    spec = FeaturesSpec(
        "0" * 64, 900_000, ("close",), (), False, 7, zone, GapRule(4, 50, (), None), columns, (), {}, 1, 1
    )
    return replace(
        sample_manifest(),
        features=features,
        guard=RULE,
        features_graph=FeaturesGraph("features.onnx", "candles.npz", spec) if graph else None,
    )


def test_prices_have_a_factor_differences_have_ranges_and_calendars_nothing() -> None:
    ranges: dict[str, tuple[float | None, float | None]] = {
        "close": (90.0, 120.0),
        "spread": (1.0, 2.0),
        "hour": (0.0, 23.0),
        "hour_volume": (0.0, 2.0),
        "flat": (5.0, 5.0),
        "below": (-1.0, 2.0),
        "unknown": (None, None),
        "outside": (0.0, 1.0),
    }
    guard = guard_of(manifest_of(ranges), "step_down")
    assert guard is not None
    inf = math.inf
    assert guard.low.tolist() == [30, -9, -inf, -20, -inf, -31, -inf, -10]
    assert guard.high.tolist() == [360, 12, inf, 22, inf, 32, inf, 11]
    own = guard_of(manifest_of(ranges, graph=False), "step_down")
    assert own is not None
    assert own.low.tolist() == [-210, -9, -230, -20, -inf, -31, -inf, -10]


def test_ranges_as_wide_as_float32_judge_without_overflow() -> None:
    wide = 3e38
    ranges: dict[str, tuple[float | None, float | None]] = {"close": (1.0, wide), "outside": (-wide, wide)}
    with np.errstate(all="raise"):
        guard = guard_of(manifest_of(ranges), "step_down")
        assert guard is not None
        assert guard.odd([1.0, -wide]) == 0
        assert guard.odd([0.1, wide]) == 1


@pytest.mark.parametrize(
    ("factor", "ranges"), [(1.0, 10.0), (0.5, 10.0), (3.0, 0.0), (3.0, -1.0), (1e9, 1.0)]
)
def test_a_rule_that_would_judge_nonsense_is_refused(factor: float, ranges: float) -> None:
    data = replace(sample_manifest(), guard=GuardRule(factor, ranges)).to_bytes()
    with pytest.raises(ManifestError, match=r"guard\.(price_factor|ranges)"):
        parse(data)
    assert b"guard" not in sample_manifest().to_bytes()
    assert json.loads(data)["guard"] == {"price_factor": factor, "ranges": ranges}


@pytest.mark.parametrize("guard", ["on", None, True])
def test_an_unknown_mode_is_wrong_use(guard: Any) -> None:
    with pytest.raises(UsageError, match="guard must be one of step_down, warn, off"):
        Predictor.open(TRIO, guard=guard)


def test_golden_rows_of_the_artifact_are_within_bounds(bot: Predictor) -> None:
    rows = golden_rows()["features"]
    inside = [row for row in rows if np.isfinite(row).all() and np.abs(row).max() < 8]
    assert len(inside) > 10
    assert not any("guard" in r for r in bot.predict(np.array(inside), ordered=True).reasons for r in r)
