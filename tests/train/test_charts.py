"""What a chart of a single day shows, and that legends name what is drawn."""

from __future__ import annotations

import re
from dataclasses import replace

from gradus_train.evaluation.equity import EquityPart
from gradus_train.report.decision_charts import equity_chart

ONE = EquityPart("holdout", "2025-01-01", 3, (0.01,), (0.02,), (-0.01,), (0.03,), 0.5)
TWO = replace(ONE, policy=(0.01, 0.02), market=(0.02, 0.01), low=(-0.01, -0.02), high=(0.03, 0.04))


def markers(chart: str, colour: str) -> int:
    return len(re.findall(rf"<use [^>]*fill: var\(--{colour}\)", chart))


def test_an_equity_of_one_day_is_drawn_as_points_and_a_bar() -> None:
    chart = equity_chart(ONE)
    assert (markers(chart, "c1"), markers(chart, "c2")) == (2, 2)  # the day, and in the legend
    assert "LineCollection" in chart
    longer = equity_chart(TWO)
    assert (markers(longer, "c1"), markers(longer, "c2")) == (0, 0)
    assert "LineCollection" not in longer


def test_chance_is_neither_drawn_nor_counted_where_the_policy_made_no_trade() -> None:
    still = replace(TWO, trades=0, low=(-9.0, -9.0), high=(9.0, 9.0))
    chart = equity_chart(still)
    assert "random calls" not in chart
    assert chart == equity_chart(replace(still, low=(0.0, 0.0), high=(0.0, 0.0)))
