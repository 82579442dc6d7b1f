"""The figures of the report."""

from __future__ import annotations

import math
from datetime import datetime

from gradus_train.evaluation.details import DataSummary, LevelDetails, SplitSummary
from gradus_train.report.drawing import COLOURS, GRID, INK, MUTED, SOFT, canvas, to_svg

__all__ = ["balance_chart", "class_colour", "folds_chart", "reliability_chart", "share_interval"]


def class_colour(index: int, n_classes: int) -> int:
    """Return the number of a class's colour: the first is colour 0, the last 1, those between grey (2) on."""
    if index == 0:
        return 0
    return 1 if index == n_classes - 1 else 1 + index


def balance_chart(data: DataSummary, split: SplitSummary) -> str:
    """Shares of labels over time, stacked, with the holdout marked."""
    with canvas(9.2, 2.7) as axes:
        days = [_day(b.start) for b in data.balance]
        origin = days[0]
        places = [d - origin for d in days]
        width = (places[1] - places[0]) * 0.92 if len(places) > 1 else 1.0
        bottom = [0.0] * len(places)
        for c, name in enumerate(data.classes):
            shares = [b.counts[c] / max(1, sum(b.counts)) for b in data.balance]
            colour = COLOURS[class_colour(c, len(data.classes))]
            axes.bar(places, shares, width, bottom=bottom, color=colour, label=name, align="edge")
            bottom = [low + share for low, share in zip(bottom, shares, strict=True)]
        start = _day(split.holdout_start) - origin
        axes.axvline(start, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.text(start, 1.02, " holdout", color=INK, va="bottom", fontsize=9)
        axes.set_ylim(0, 1)
        axes.set_xlim(0, places[-1] + width)
        ticks = list(range(0, len(places), max(1, len(places) // 8)))
        axes.set_xticks([places[i] for i in ticks], [data.balance[i].start[:10] for i in ticks])
        axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(data.classes), borderaxespad=0.2)
        text = ", ".join(
            f"{name} {sum(b.counts[c] for b in data.balance) / max(1, data.labelled):.0%}"
            for c, name in enumerate(data.classes)
        )
        return to_svg(axes, "balance", f"Shares of labels over time. Over all: {text}.")


def folds_chart(level: LevelDetails) -> str:
    """Log loss of members, vote and priors, fold by fold and on the holdout."""
    boards = [(f"{f.number}", f.scores) for f in level.folds if f.scores is not None]
    boards.append(("holdout", level.holdout))
    places = list(range(len(boards)))
    names = [name for name, _ in boards]
    with canvas(4.2, 2.9) as axes:
        axes.grid(axis="y", linewidth=0.6)
        axes.set_axisbelow(True)
        for i, member in enumerate(level.weights):
            values = [b.members[member].log_loss for _, b in boards]
            axes.plot(places, values, color=COLOURS[3 + i % 3], linewidth=1, marker=".", label=member)
        lone = "_" if len(boards) == 1 else None  # a line to nowhere is not seen
        priors = [b.baselines["priors"].log_loss for _, b in boards]
        axes.plot(places, priors, color=MUTED, linestyle=(0, (3, 2)), marker=lone, label="priors")
        votes = [b.ensemble.log_loss for _, b in boards]
        axes.plot(places, votes, color=INK, linewidth=2.2, marker="o", markersize=4, label="vote")
        axes.axvspan(len(boards) - 1.5, len(boards) - 0.5, color=SOFT, zorder=0)
        axes.set_xticks(places, names)
        axes.set_xlim(-0.5, len(boards) - 0.5)
        axes.set_title("log loss by fold (lower is better)", color=MUTED, fontsize=9)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, handlelength=1.4, columnspacing=1.0
        )
        said = "; ".join(f"{n} {v:.3f} against {p:.3f}" for n, v, p in zip(names, votes, priors, strict=True))
        return to_svg(axes, f"folds-{level.name}", f"Log loss of {level.name}'s vote against priors: {said}.")


def share_interval(share: float, rows: float) -> tuple[float, float]:
    """Return the 95 % interval of a share that was seen in so many independent rows (Wilson, 1927).

    >>> [round(end, 3) for end in share_interval(0.5, 10)]
    [0.237, 0.763]
    """
    z = 1.959964
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability_chart(level: LevelDetails, classes: tuple[str, ...], reach: int) -> str:
    """Probabilities said against shares that came, by class, on the holdout, each with its 95 % interval.

    Labels of `reach` rows in a row overlap, so they count as one.

    No line joins the points: between two of them nothing was measured, and one may stand for three rows.
    """
    with canvas(4.2, 2.9) as axes:
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        total = max(1, level.holdout.ensemble.rows)
        for c, name in enumerate(classes):
            bins = level.reliability[c]
            colour = COLOURS[class_colour(c, len(classes))]
            said = [b.said for b in bins]
            ends = [share_interval(b.came, max(1.0, b.rows / reach)) for b in bins]
            axes.vlines(said, [low for low, _ in ends], [high for _, high in ends], color=colour, linewidth=1)
            sizes = [6 + 90 * b.rows / total for b in bins]
            axes.scatter(said, [b.came for b in bins], s=sizes, color=colour, label=name)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks([0, 0.5, 1])
        axes.set_xlabel("probability said", fontsize=9)
        axes.set_title("share that came, with 95 % (larger dot: more rows)", color=MUTED, fontsize=9)
        axes.legend(loc="upper left", handlelength=1.2, markerscale=0.6)
        return to_svg(
            axes,
            f"reliability-{level.name}",
            f"Reliability of {level.name} on the holdout; expected calibration error "
            f"{level.holdout.ensemble.ece:.3f}.",
        )


def _day(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp() / 86_400
