"""Which version serves when, which groups are missing when, what the weeks are, what the page shows."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from markupsafe import escape
from tests.support.training import ORDER

from gradus_live.bootstrap import Interval
from gradus_runtime.errors import DataError, UsageError
from gradus_train.report.walk_charts import equity_lines, levels_chart, weeks_chart
from gradus_train.report.walk_page import render_walk
from gradus_train.walk.outages import Outages, Stretch, read_outages
from gradus_train.walk.result import (
    ProcedureFigures,
    Refusal,
    Skill,
    WalkMoney,
    WalkResult,
    WeekMoney,
    WeekResult,
)
from gradus_train.walk.serving import in_service
from gradus_train.walk.text import first_level_sentences, walk_headline, walk_text
from gradus_train.walk.totals import money_of, refusals_of, side_by_side, skill_of
from gradus_train.walk.versions import WeekVersion
from gradus_train.walk.week import stepped_down
from gradus_train.walk.week_answers import WeekAnswers
from gradus_train.walk.weeks import Week, weeks_between

HOUR = 3_600_000


def version(week, *, passed=True, verdict="none", trained=True):
    name = week.replace("-", ".") if trained else None
    problem = None if trained else "too few rows"
    return WeekVersion(
        week, name, name, problem, passed, () if passed else ("worse",), verdict, "", ("level1",), 900,
        (0.2, 0.6, 0.2), 0.001, 0.002,
    )  # fmt: skip


VERSIONS = [
    version("2024-07-01", passed=False),
    version("2024-07-08"),
    version("2024-07-15", verdict="direction"),
    version("2024-07-29", trained=False),
    version("2024-08-05"),
    version("2024-08-12", verdict="tradable"),
]


def served(require, schedule):
    return [None if v is None else v.week[5:] for v in in_service(VERSIONS, require, schedule)]


def test_a_refused_week_keeps_the_version_before_and_the_first_has_none():
    assert served("integrity", "weekly") == [None, "07-08", "07-15", "07-15", "08-05", "08-12"]


def test_the_stricter_rule_pins_what_has_the_verdict_or_a_better_one():
    assert served("direction", "weekly") == [None, None, "07-15", "07-15", "07-15", "08-12"]


def test_monthly_training_takes_the_first_version_of_a_month_that_may_serve():
    assert served("integrity", "monthly") == [None, "07-08", "07-08", "07-08", "08-05", "08-05"]


def test_trained_once_keeps_the_first_version_that_may_serve():
    assert served("integrity", "never") == [None, *["07-08"] * 5]


def test_weeks_are_whole_and_fewer_days_are_refused():
    assert [w.version for w in weeks_between(date(2024, 7, 1), date(2024, 12, 31))][:2] == [
        "2024.7.1",
        "2024.7.8",
    ]
    assert len(weeks_between(date(2024, 7, 1), date(2024, 12, 31))) == 26
    with pytest.raises(UsageError, match="a walk needs at least one whole week"):
        weeks_between(date(2024, 7, 1), date(2024, 7, 6))


WEEK = Week(1, 1_700_000_000_000 // 86_400_000 * 86_400_000, 0)
STAMPS = WEEK.start_ms + HOUR * np.arange(160, dtype=np.int64)


def test_a_recorded_outage_covers_the_bars_that_close_within_it():
    outages = Outages((Stretch("outside", WEEK.start_ms + 3 * HOUR, WEEK.start_ms + 5 * HOUR),))
    missing = outages.missing(ORDER, WEEK, STAMPS, HOUR)
    assert np.flatnonzero(missing["outside"]).tolist() == [2, 3]


def test_simulated_outages_have_their_share_hit_spared_groups_alone_and_depend_on_the_week():
    shares = []
    for day in range(60):
        week = Week(1, WEEK.start_ms + day * 86_400_000, 0)
        found = Outages(share=0.2, seed=3).missing(ORDER, week, STAMPS, HOUR)
        assert set(found) <= {"signals", "outside"}
        shares += [found[g].mean() if g in found else 0.0 for g in ("signals", "outside")]
        again = Outages(share=0.2, seed=3).missing(ORDER, week, STAMPS, HOUR)
        assert all((again[g] == found[g]).all() for g in found)
    assert np.mean(shares) == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group,from\nsignals,2024-07-01T00:00:00Z\n", "outages need the column to"),
        ("group,from,to\nnone,2024-07-01T00:00:00Z,2024-07-02T00:00:00Z\n", "a group must be known"),
        ("group,from,to\nsignals,2024-07-02T00:00:00Z,2024-07-01T00:00:00Z\n", "must end after it begins"),
    ],
)
def test_an_outage_file_that_breaks_a_rule_is_refused(tmp_path, text, message):
    (tmp_path / "outages.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_outages(tmp_path / "outages.csv", ["signals", "outside"])


@pytest.mark.parametrize(
    ("service", "expected"),
    [(("level2",), 2), ((), 3), (("level1", "level2"), 3)],
    ids=["the second alone proved itself", "none did: all in their order", "both did"],
)
def test_a_bar_steps_down_where_another_level_serves_than_the_one_asked_first(service, expected):
    levels = np.array(["level2", "level1", "level2", "fallback"], object)
    answers = WeekAnswers(levels, levels, np.zeros((4, 3), np.float32))
    served_by = replace(version("2024-07-01"), service=service)
    assert stepped_down(answers, served_by, ("level1", "level2")) == expected


def money(days, trades=2, gross=0.02, won=1):
    return WeekMoney(
        tuple(days), (trades, 0, 0, 0, 0, 0, 0), gross, gross - sum(days), won, 1, 8, {"time": 2}
    )


def week(name, days, **changes):
    own = changes.get("own", version(name))
    others = {n: money(days) for n in ("direction", "monthly", "never")} | changes.get("others", {})
    return WeekResult(
        name, own, own.version if own.passed else "2024.6.24", 672, {"level1": 600, "level2": 72}, 72, 72,
        {"level1": Skill(600, 3.0)}, {"calm": Skill(300, 1.0)}, money(days), None, None, others, None,
        (0.001,) * 7, (-0.01, 0.0, 0.01),
    )  # fmt: skip


def result():
    weeks = (
        week("2024-07-01", [0.01, 0, 0, 0, 0, 0, 0]),
        week(
            "2024-07-08",
            [-0.03, 0.005, 0, 0, 0, 0, 0],
            own=version("2024-07-08", passed=False),
            others={"refused": money([0.02] + [0] * 6)},
        ),
    )
    from gradus_live.costs import Costs

    costs = Costs("<i>costs</i>", "2024-01-01", 0.0, 9.0, 0.5, 0.5, 0.0)
    return WalkResult(
        market="<b>market</b>", costs_of=costs.market, simulated=True, first="2024-07-01", last="2024-07-14",
        require="integrity",
        train_days=90, label="up or down", per_side=10.0, rules=("One unit.",), weeks=weeks,
        money=money_of(weeks, seed=1), lines=side_by_side(weeks, costs, require="integrity", seed=1),
        levels={"level1": 1200, "level2": 144}, stepped_down=144,
        skill=skill_of([w.skill for w in weeks], seed=1), regimes={}, outage_cost=None, outage_skill=None,
        refusals=refusals_of(weeks), quick_proof=False, chance=None, bar_by_bar=672,
    )  # fmt: skip


def test_money_is_summed_with_the_deepest_fall_over_days():
    found = result().money
    assert isinstance(found, WalkMoney)
    assert found.net == pytest.approx(-0.015)
    assert found.drawdown == pytest.approx(-0.03)
    assert found.trades == 4
    assert found.hit_rate == 0.5
    assert found.trade.value == pytest.approx(-0.015 / 4)


def test_buy_and_hold_pays_two_sides_over_the_whole_walk():
    held = next(line for line in result().lines if line.name == "buy and hold")
    assert isinstance(held, ProcedureFigures)
    assert held.net == pytest.approx(14 * 0.001 - 2 * 10e-4)


def test_a_refusal_is_wrong_where_the_refused_version_would_have_left_more():
    (found,) = result().refusals
    assert found == Refusal("2024-07-08", ("worse",), 0.02, pytest.approx(-0.025), right=False)


def test_the_headline_follows_the_interval():
    whole = result()
    for interval, words in (
        (Interval(0.01, 0.001, 0.02), "earned money after costs"),
        (Interval(-0.01, -0.02, -0.001), "lost money after costs"),
        (Interval(0.01, -0.02, 0.04), "not shown to be better than HOLD"),
        (Interval(0.01, None, None), "Too few days"),
    ):
        assert words in walk_headline(replace(whole, money=replace(whole.money, week=interval)))


def test_the_page_is_whole_escapes_what_it_is_given_and_is_the_same_each_time():
    page = render_walk(result())
    assert page == render_walk(result())
    assert "&lt;b&gt;market&lt;/b&gt;" in page
    assert "&lt;i&gt;costs&lt;/i&gt;" in page
    assert "<b>market</b>" not in page
    assert "<i>costs</i>" not in page
    assert not re.search(r'(?:src|href)="https?:', page)
    for text in ("2024-07-08", "refused", "Simulated market", "buy and hold", "Was refusing right?"):
        assert text in page
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_text_names_each_procedure():
    text = walk_text(result())
    for name in ("weekly, integrity", "weekly, direction", "monthly training", "trained once", "HOLD"):
        assert name in text


def test_a_line_under_another_is_left_out_of_the_legend_and_told_below():
    whole = result()
    lines = equity_lines(whole)
    assert [name for name, *_ in lines.lines] == ["buy and hold", "this walk"]
    assert lines.covered == tuple(
        (name, "this walk") for name in ("trained once", "monthly training", "pinned by direction")
    )
    assert (
        "Under the line of this walk, as they left the same: "
        "trained once, monthly training, pinned by direction."
    ) in render_walk(whole)
    others = {"never": money([0.02] + [0] * 6)}
    apart = replace(whole, weeks=(week("2024-07-01", [0.01] + [0] * 6, others=others), whole.weeks[1]))
    assert "trained once" in [name for name, *_ in equity_lines(apart).lines]
    assert "left the same: monthly training, pinned by direction." in render_walk(apart)


def test_an_area_without_width_is_not_named():
    whole = result()
    assert "Light area" in render_walk(whole)
    assert "random calls</text>" in render_walk(whole)
    still = replace(whole, weeks=tuple(replace(w, random=(0.0, 0.0)) for w in whole.weeks))
    assert "Light area" not in render_walk(still)
    assert "random calls</text>" not in render_walk(still)


def test_legends_of_weeks_and_levels_name_what_is_drawn():
    whole = result()
    assert "fallback</text>" not in levels_chart(whole)
    held = replace(whole, weeks=(replace(whole.weeks[0], levels={"level1": 600, "fallback": 72}),))
    assert "fallback</text>" in levels_chart(held)
    assert "hollow" in weeks_chart(whole)
    assert "hollow" not in weeks_chart(replace(whole, weeks=whole.weeks[:1]))


def test_the_page_says_which_level_is_asked_first_and_why():
    whole = result()
    third, none = (replace(version("2024-07-01"), service=s) for s in (("level3", "level1"), ()))
    first = replace(whole, weeks=(week("2024-07-01", [0.01] + [0] * 6, own=third),))
    (said,) = first_level_sentences(first)
    assert said.startswith("Asked first: level3 in 1 of 1 week. ")
    assert str(escape(said)) in render_walk(first)
    held = replace(whole, weeks=(week("2024-07-01", [0.01] + [0] * 6, own=none),))
    assert first_level_sentences(held)[0].startswith("No level had proved itself in 1 of 1 week")
    unserved = replace(whole, weeks=(replace(whole.weeks[0], served=None),))
    assert first_level_sentences(unserved) == ()
