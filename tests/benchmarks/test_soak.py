from pathlib import Path

import pytest
from benchmarks.soak import expected_level, judge
from benchmarks.timeline import BARS_A_DAY, WARM_UP_DAYS, plan

from gradus_runtime.contracts import feature_order

ORDER = feature_order.load(Path(__file__).resolve().parents[2] / "config" / "feature_order.json")
TIMELINE = plan(8, ("1", "2"), 3)


def lived(timeline, **changes):
    decisions = [
        [expected_level(timeline, ORDER, bar), "1", "HOLD", [0.2, 0.6, 0.2]] for bar in range(timeline.bars)
    ]
    memory = {str(day): 70.0 for day in range(1, timeline.bars // BARS_A_DAY + 1)}
    return {"decisions": decisions, "resident_mib": memory, "unwell": {}, **changes}


def test_the_same_seed_plans_the_same_month():
    assert plan(30, ("1", "2", "3"), 1) == plan(30, ("1", "2", "3"), 1)
    assert plan(30, ("1", "2", "3"), 1) != plan(30, ("1", "2", "3"), 2)


def test_the_warm_up_has_some_of_everything_and_the_last_day_nothing():
    warm = WARM_UP_DAYS * BARS_A_DAY
    assert {expected_level(TIMELINE, ORDER, bar) for bar in range(warm)} == {
        "level1",
        "level2",
        "level3",
        "fallback",
    }
    assert [c.version for c in TIMELINE.changes if c.bar < warm] == ["2", None] * 4 * WARM_UP_DAYS
    assert all(o.stop <= TIMELINE.bars - BARS_A_DAY for o in TIMELINE.outages)


def test_a_month_needs_days_and_versions():
    with pytest.raises(ValueError, match="at least 8 days and 2 versions are needed, but got 8 and 1"):
        plan(8, ("1",), 3)


def test_a_month_as_it_must_be_has_no_problem():
    verdict = judge(TIMELINE, ORDER, lived(TIMELINE), [lived(TIMELINE)])
    assert verdict.problems == ()
    assert sum(verdict.levels.values()) == verdict.bars == 8 * BARS_A_DAY
    assert verdict.levels["level2"] > 0


def test_a_bar_served_by_the_wrong_level_is_a_problem():
    whole = lived(TIMELINE)
    whole["decisions"][0] = ["level3", *whole["decisions"][0][1:]]
    verdict = judge(TIMELINE, ORDER, whole, [whole])
    assert verdict.problems == ("bar 0: level3 served where level1 was due",)


def test_a_restarted_bot_that_decides_otherwise_is_a_problem():
    other = lived(TIMELINE)
    other["decisions"][5] = [other["decisions"][5][0], "2", "BUY", [0.2, 0.2, 0.6]]
    assert judge(TIMELINE, ORDER, lived(TIMELINE), [other]).problems == (
        "bar 5: a restarted bot decided otherwise",
    )


def test_memory_that_grew_by_more_than_a_mebibyte_is_a_problem():
    whole = lived(TIMELINE)
    whole["resident_mib"]["8"] = 71.5
    assert judge(TIMELINE, ORDER, whole, [whole]).problems == ("memory grew from 70.0 to 71.5 MiB",)


def test_what_health_complains_about_is_a_problem():
    verdict = judge(TIMELINE, ORDER, lived(TIMELINE, unwell={"degraded: level1": 3}), [lived(TIMELINE)])
    assert verdict.problems == ("health: degraded: level1 (3 bars)",)
