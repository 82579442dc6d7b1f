"""The live page and its text: what is drawn is seen, nothing else is named, and all of it fits."""

from __future__ import annotations

import re

import pytest
from tests.support.live_bot import DAY, made_up, promising

from gradus_live.costs import Costs
from gradus_live.record import build_record, render_page, render_record
from gradus_live.record.chart import Band, Curve, draw
from gradus_live.record.live_record import LiveRecord

COSTS = Costs("pair", "2026-01-01", 0.0, 4.0, 0.5, 0.5, 0.0)
POLYGON = re.compile(r'<polygon points="([^"]+)"')


def record(days: int, folds: int = 5) -> LiveRecord:
    """A record of so many days; with fewer than three folds nothing was promised."""
    manifest = promising(folds=folds)
    return build_record(made_up(days * DAY), {manifest.version: manifest}, COSTS)


def widths(chart: str) -> list[float]:
    """The width of each area."""
    found = []
    for points in POLYGON.findall(chart):
        xs = [float(point.split(",")[0]) for point in points.split()]
        found.append(max(xs) - min(xs))
    return found


def axis(chart: str) -> list[float]:
    """The values that the axis names."""
    return [float(v) for v in re.findall(r'text-anchor="end">([-+.\d]+)<', chart)]


def test_an_area_of_one_day_is_drawn_as_wide_as_is_seen() -> None:
    days = [f"2026-01-{i:02d}" for i in range(1, 11)]
    lone: list[float | None] = [None] * 9
    band = Band([*lone, 0.01], [*lone, 0.05], "red", 0.2)
    (width,) = widths(draw(days, [Curve([0.02] * 10, "blue")], [band], "+.3f", "chart"))
    assert width > 10


def test_a_line_of_one_day_is_drawn_as_a_point() -> None:
    chart = draw(["2026-01-01"], [Curve([0.02], "blue")], [], "+.3f", "chart")
    assert chart.count("<circle") == 1
    assert "<polyline" not in chart
    gap = draw(["a", "b", "c", "d"], [Curve([0.1, 0.2, None, 0.3], "blue")], [], "+.3f", "chart")
    assert (gap.count("<polyline"), gap.count("<circle")) == (1, 1)


def test_the_axis_does_not_stretch_for_an_interval_that_says_little() -> None:
    wide = Band([-0.5, -0.5], [1.5, 1.5], "red", 0.2, may_be_cut=True)
    named = axis(draw(["a", "b"], [Curve([0.02, 0.04], "blue")], [wide], "+.3f", "chart"))
    assert -0.05 < min(named) < max(named) < 0.09
    promised = Band([0.4, 0.4], [0.5, 0.5], "red", 0.2)
    assert max(axis(draw(["a", "b"], [Curve([0.02, 0.04], "blue")], [promised], "+.3f", "chart"))) > 0.4


def test_the_axis_does_not_stretch_for_half_an_area() -> None:
    half = Band([None, 0.0], [9.0, None], "red", 0.2)
    chart = draw(["a", "b"], [Curve([0.02, 0.04], "blue")], [half], "+.3f", "chart")
    assert widths(chart) == []
    assert max(axis(chart)) < 0.1


@pytest.mark.parametrize("days", [1, 2, 9, 10, 11])
@pytest.mark.parametrize("folds", [1, 5])
def test_the_legend_names_what_is_drawn_and_nothing_else(days: int, folds: int) -> None:
    found = record(days, folds)
    page = render_page(found)
    areas = widths(page)
    assert all(width > 0 for width in areas)
    assert ("promised: lowest" in page) == ("what training promised" in page) == (folds == 5)
    interval = len(areas) - (folds == 5)
    assert interval == any(point.low is not None for point in found.days)
    assert ("with 95 % confidence, at every look</span>" in page) == bool(interval)


def test_a_page_without_a_whole_day_has_no_empty_chart() -> None:
    manifest = promising()
    page = render_page(build_record(made_up(DAY // 2), {manifest.version: manifest}, COSTS))
    assert "<svg" not in page
    assert "Money after the costs of pair" in page


def test_each_cell_carries_its_columns_name_for_narrow_pages() -> None:
    page = render_page(record(12))
    tables = re.findall(r"<table>(.*?)</table>", page, re.DOTALL)
    assert len(tables) == 2
    for table in tables:
        head, body = table.split("</thead>")
        names = re.findall(r"<th[^>]*>(.*?)</th>", head)
        rows = re.findall(r"<tr.*?</tr>", body)
        assert rows
        assert all(re.findall(r'data-name="(.*?)"', row) == names[2:] for row in rows)
    assert "content: attr(data-name)" in page


def test_the_text_fits_a_narrow_terminal_and_loses_no_word() -> None:
    wide = render_record(record(12))
    assert max(map(len, wide.splitlines())) > 80
    narrow = render_record(record(12), 60)
    assert max(map(len, narrow.splitlines())) <= 60
    assert set(narrow.split()) == set(wide.split())


def test_counts_agree_with_their_words() -> None:
    manifest = promising()
    one = build_record(made_up(1), {manifest.version: manifest}, None, pending=1)
    two = build_record(made_up(2), {manifest.version: manifest}, None, pending=2)
    for text in (render_record(one), render_page(one)):
        assert "1 bar" in text
        assert not re.search(r"\b1 (bars|decisions|calls|trades)\b", text)
        assert "1 decision waits for its outcome" in text
    assert "2 decisions wait for their outcome" in render_record(two)
