"""Lines over days as inline SVG that follows the page's colours, light or dark. No library is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Band", "Curve", "draw"]

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 10, 30
_LONE = 9.0
"""Half the width of an area that is there on one day only, where the chart has so much room for a day."""
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line: its values (None leaves a gap), its CSS colour, whether it is drawn as points."""

    values: Values
    colour: str
    points: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """An area between two lines.

    Attributes:
        low: Its lower line.
        high: Its upper line.
        colour: CSS.
        opacity: From 0 to 1.
        may_be_cut: An area that says little where it is wide: the axis does not grow much for it.
    """

    low: Values
    high: Values
    colour: str
    opacity: float
    may_be_cut: bool = False

    def ends(self) -> list[float]:
        """What is drawn of it: values of days that have both."""
        both = zip(self.low, self.high, strict=True)
        return [v for a, b in both if a is not None and b is not None for v in (a, b)]


def draw(
    days: Sequence[str],
    lines: Sequence[Curve],
    bands: Sequence[Band],
    unit: str,
    label: str,
    mark: tuple[str, str] | None = None,
) -> str:
    """Return a chart.

    Args:
        days: ISO 8601, one for each value.
        lines: Drawn over the bands.
        bands: Areas.
        unit: How a value of the axis is written: a format such as "+.3f".
        label: A text that says what the chart shows.
        mark: A day and a few words, for a line across the chart.
    """
    low, high = _range(
        [v for line in lines for v in line.values if v is not None]
        + [v for band in bands if not band.may_be_cut for v in band.ends()],
        [v for band in bands if band.may_be_cut for v in band.ends()],
    )
    scale = _Scale(len(days), low, high)
    parts = [_grid(scale, unit), _dates(scale, days)]
    parts += [_area(scale, band) for band in bands]
    parts += [_points(scale, line) if line.points else _path(scale, line) for line in lines]
    if mark is not None and mark[0] in days:
        parts.append(_mark(scale, days.index(mark[0]), mark[1]))
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
    return head + "".join(parts) + "</svg>"


@dataclass(frozen=True, slots=True)
class _Scale:
    count: int
    low: float
    high: float

    def x(self, i: int, beside: float = 0.0) -> float:
        """Where a day is, or a point so far beside its middle, at most at its end."""
        day = (_WIDTH - _LEFT - _RIGHT) / max(1, self.count)
        return round(_LEFT + day * (i + 0.5) + max(-day / 2, min(day / 2, beside)), 1)

    def y(self, value: float) -> float:
        inside = min(self.high, max(self.low, value))
        height = _HEIGHT - _TOP - _BOTTOM
        return round(_TOP + height * (self.high - inside) / (self.high - self.low), 1)


def _range(values: Sequence[float], wide: Sequence[float]) -> tuple[float, float]:
    """The range of the axis: 0, all values, and of wide areas as much above and below as these are apart."""
    least, most = min((0.0, *values)), max((0.0, *values))
    apart = most - least
    low = min((least, *(max(v, least - apart) for v in wide)))
    high = max((most, *(min(v, most + apart) for v in wide)))
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _mark(scale: _Scale, place: int, words: str) -> str:
    x = scale.x(place)
    at, anchor = (x - 6, "end") if place > scale.count / 2 else (x + 6, "start")
    text = f'<text class="said" x="{at}" y="{_TOP + 12}" text-anchor="{anchor}">'
    line = f'<line class="mark" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
    return f"{line}{text}{escape(words)}</text>"


def _grid(scale: _Scale, unit: str) -> str:
    step = 10 ** math.floor(math.log10(scale.high - scale.low))
    while (scale.high - scale.low) / step < 3:
        step /= 2
    parts = []
    for k in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1):
        value, y = k * step, scale.y(k * step)
        kind = "axis" if k == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        text = format(value, unit) if k else "0"
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _dates(scale: _Scale, days: Sequence[str]) -> str:
    every = max(1, math.ceil(len(days) / 6))
    y = _HEIGHT - 8
    parts = []
    for number, i in enumerate(range(every // 2, len(days), every)):
        kind = ' class="more"' if number % 2 else ""  # a narrow page has room for every second one
        parts.append(f'<text{kind} x="{scale.x(i)}" y="{y}" text-anchor="middle">{days[i]}</text>')
    return "".join(parts)


def _runs(values: Values) -> list[list[int]]:
    """Stretches of places whose values are known."""
    runs: list[list[int]] = [[]]
    for i, value in enumerate(values):
        if value is not None:
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _path(scale: _Scale, line: Curve) -> str:
    parts = []
    for run in _runs(line.values):
        if len(run) == 1:  # a line to nowhere is not seen
            parts.append(_point(scale, run[0], line))
            continue
        points = " ".join(f"{scale.x(i)},{scale.y(line.values[i] or 0.0)}" for i in run)
        parts.append(f'<polyline points="{points}" style="stroke:{line.colour}"/>')
    return "".join(parts)


def _points(scale: _Scale, line: Curve) -> str:
    return "".join(_point(scale, i, line) for i, value in enumerate(line.values) if value is not None)


def _point(scale: _Scale, i: int, line: Curve) -> str:
    radius = 2.2 if line.points else 3.2
    y = scale.y(line.values[i] or 0.0)
    return f'<circle cx="{scale.x(i)}" cy="{y}" r="{radius}" style="fill:{line.colour}"/>'


def _area(scale: _Scale, band: Band) -> str:
    parts = []
    both = [None if a is None or b is None else a for a, b in zip(band.low, band.high, strict=True)]
    for run in _runs(both):
        places = [(i, 0.0) for i in run] if len(run) > 1 else [(run[0], -_LONE), (run[0], _LONE)]
        there = [f"{scale.x(*at)},{scale.y(band.high[at[0]] or 0.0)}" for at in places]
        back = [f"{scale.x(*at)},{scale.y(band.low[at[0]] or 0.0)}" for at in reversed(places)]
        style = f"fill:{band.colour};opacity:{band.opacity}"
        parts.append(f'<polygon points="{" ".join(there + back)}" style="{style}"/>')
    return "".join(parts)
