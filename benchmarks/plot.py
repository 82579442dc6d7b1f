"""The growth plot, as an SVG that is the same for the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Growth

__all__ = ["TITLES", "UNITS", "draw"]

TITLES = {
    "artifact_mib": "artifact size",
    "batch_ms": "time of a batch",
    "batch_peak_mib": "peak memory of a batch",
    "first_peak_mib": "peak memory to the first answer",
    "load_ms": "load",
    "p50_us": "one row, p50",
    "peak_mib": "peak memory, all levels loaded",
    "prepare_peak_mib": "peak memory of conversion",
    "prepare_s": "conversion",
    "us_per_row_10000": "a row in 10,000",
}

UNITS = {
    name: {"mib": "MiB", "ms": "ms", "s": "s", "us": "us"}.get(name.rpartition("_")[2], "us")
    for name in TITLES
}


def draw(growth: Sequence[Growth], path: Path) -> None:
    """Draw cost over work, both relative to the smallest, one panel an axis; the dashed line is linear."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "gradus"
    from matplotlib import pyplot

    axes_of = list(dict.fromkeys(g.axis for g in growth))
    figure, panels = pyplot.subplots(1, len(axes_of), figsize=(4.6 * len(axes_of), 4.2), sharey=True)
    for panel, axis in zip(panels, axes_of, strict=True):
        shown = [g for g in growth if g.axis == axis]
        work = shown[0].factors
        panel.plot(work, work, "--", color="0.6", label="linear")
        for line in shown:
            relative = [cost / line.costs[0] for cost in line.costs]
            panel.plot(line.factors, relative, marker="o", markersize=4, label=TITLES[line.figure])
        panel.set_title(f"{axis}")
        panel.set_xticks(work, [f"{f:g}x" for f in work])
        panel.set_xlabel("work")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7, frameon=False)
    panels[0].set_ylabel("cost, relative to 1x")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
