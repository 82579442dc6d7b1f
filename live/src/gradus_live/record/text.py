"""The live record as text."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradus_live.record.group import GroupRecord
from gradus_live.record.live_record import LiveRecord
from gradus_live.record.sequence import MeanSequence

__all__ = ["between", "groups_shown", "percent_gained", "record_headline", "render_record"]


def record_headline(record: LiveRecord) -> str:
    """The record in one line."""
    return f"{record.artifact}: {record.overall.sentence}"


def between(value: MeanSequence, digits: int = 4, times: float = 1.0) -> str:
    """A mean with its confidence sequence, both so many times over: 100 for percent."""
    mean, low, high = (times * v for v in (value.mean, value.low, value.high))
    if high == float("inf"):
        return f"{mean:+.{digits}f}"
    return f"{mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def percent_gained(log_return: float) -> float:
    """What a stake has gained in percent, if each trade took all of it."""
    return 100 * math.expm1(log_return)


def groups_shown(record: LiveRecord) -> tuple[GroupRecord, ...]:
    """All, then levels and versions where there are several, then versions by level where that says more."""
    levels, versions = (part if len(part) > 1 else () for part in (record.levels, record.versions))
    groups = record.groups if len(record.groups) > max(1, len(levels), len(versions)) else ()
    if not levels and not versions:
        groups = record.groups
    return (record.overall, *levels, *versions, *groups)


def render_record(record: LiveRecord) -> str:
    """Return the record as text, the verdict in the first line."""
    lines = [record_headline(record)]
    if record.first and record.last:
        lines.append(
            f"{record.bars:,} bars from {record.first[:16]}Z to {record.last[:16]}Z, "
            f"{record.fallback:,} without a level; {record.pending:,} decisions wait for their outcome"
        )
    for count, what in (
        (record.repeated, "decisions for a bar that had one"),
        (record.without_outcome, "bars whose outcome cannot be known: candles are missing"),
        (record.without_artifact, "decisions of versions that are not in the store"),
    ):
        if count:
            lines.append(f"left out: {count:,} {what}")
    lines += ["", *_table(groups_shown(record))]
    if record.market is None:
        lines += ["", "no costs were given, so money is left out: --costs config/costs.toml"]
    lines += [
        "",
        "skill: Brier score of the class shares less that of the probabilities; above 0 is better than them.",
        "In brackets: where the true mean is, at every look, with 95 % confidence; blocks are whole days.",
        "Net: what a stake has gained after costs, if each trade took all of it.",
    ]
    return "\n".join(lines) + "\n"


def _table(groups: Iterable[GroupRecord]) -> list[str]:
    head = [
        "VERSION",
        "LEVEL",
        "BARS",
        "SKILL",
        "PROMISED",
        "CALLS",
        "HIT RATE",
        "CALIBRATION",
        "NET",
        "VERDICT",
    ]
    rows = [head]
    for g in groups:
        promised = "" if g.promise is None else f"{g.promise.low:+.4f} to {g.promise.high:+.4f}"
        net = "" if g.money is None else f"{percent_gained(g.money.total):+.2f} % in {g.money.trades}"
        rows.append(
            [
                g.version,
                g.level,
                f"{g.bars:,}",
                between(g.skill),
                promised,
                f"{g.calls:,}",
                "" if g.hit_rate is None else f"{100 * g.hit_rate:.1f} %",
                f"{g.calibration:.3f}",
                net,
                g.sentence.partition(":")[0] if g.verdict != "too early" else g.sentence,
            ]
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
