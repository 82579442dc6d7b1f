"""The page of a walk: one self-contained HTML file."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from gradus_runtime.wording import plural
from gradus_train.report.walk_charts import (
    equity_lines,
    levels_chart,
    money_chart,
    walk_equity_chart,
    weeks_chart,
)
from gradus_train.walk.result import WalkResult
from gradus_train.walk.text import (
    chance_sentences,
    first_level_sentences,
    interval_text,
    percent,
    walk_headline,
)

__all__ = ["render_walk"]


def render_walk(result: WalkResult) -> str:
    """Return the page; the same walk gives the same text."""
    environment = Environment(
        loader=PackageLoader("gradus_train.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["net"] = lambda value: percent(value).replace(" ", "\u00a0")
    environment.filters["interval"] = interval_text
    environment.filters["plural"] = plural
    environment.filters["grouped"] = lambda value: f"{value:,}".replace(",", "\u202f")
    pinned = [w.version.may_serve(result.require) for w in result.weeks]
    lines = equity_lines(result)
    low = result.money.week.low
    high = result.money.week.high
    return environment.get_template("walk.html.j2").render(
        result=result,
        headline=walk_headline(result),
        chance=() if result.chance is None else chance_sentences(result.chance),
        tone="good" if low is not None and low > 0 else "bad" if high is not None and high < 0 else "wait",
        beside="direction" if result.require == "integrity" else "integrity",
        pinned=pinned,
        first=first_level_sentences(result),
        covered=lines.covered,
        random=lines.low is not None,
        # Markup: made by our own drawing, which escapes the one text that it takes from outside.
        equity=Markup(walk_equity_chart(result)),  # noqa: S704
        weeks=Markup(weeks_chart(result)),  # noqa: S704 - as above
        money=Markup(money_chart(result)),  # noqa: S704 - as above
        levels=Markup(levels_chart(result)),  # noqa: S704 - as above
    )
