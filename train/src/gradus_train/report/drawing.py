"""matplotlib figures as inline SVG that follows the page's colours, light or dark.

Figures are drawn in marker colours; in the SVG each is replaced by a CSS variable of the page. Text stays
text. The same figure gives the same bytes: no date, and ids from a fixed salt.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["COLOURS", "GRID", "INK", "MUTED", "SOFT", "canvas", "to_svg"]

INK, MUTED, GRID, SOFT = "#010101", "#020202", "#030303", "#040404"
COLOURS = ("#050501", "#050502", "#050503", "#050504", "#050505", "#050506")
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    SOFT: "var(--soft)",
    **{colour: f"var(--c{i})" for i, colour in enumerate(COLOURS)},
}


@contextmanager
def canvas(width: float, height: float) -> Iterator[Axes]:
    """Yield axes of a figure of this size in inches; `to_svg` turns them into SVG inside the block."""
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "gradus",
            "font.size": 10.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GRID,
            "axes.labelcolor": MUTED,
            "axes.titlesize": 10.0,
            "axes.titlecolor": INK,
            "axes.titlelocation": "left",
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "text.color": INK,
            "grid.color": GRID,
            "legend.frameon": False,
            "legend.fontsize": 9.0,
            "lines.linewidth": 1.6,
        }
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.add_subplot()


def to_svg(axes: Axes, name: str, description: str) -> str:
    """Return a figure as an `<svg>` element.

    Args:
        axes: Of the figure.
        name: Prefix of its ids; unique on the page.
        description: A text that says what it shows.
    """
    figure = axes.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError("axes must belong to a figure")
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    label = escape(description, quote=True)
    return re.sub(
        r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>",
        rf'<svg role="img" aria-label="{label}" viewBox="\1" xmlns:xlink="http://www.w3.org/1999/xlink">',
        text,
        count=1,
    ).strip()
