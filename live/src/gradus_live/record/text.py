"""The live record as text."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

from gradus_live.record.group import GroupRecord
from gradus_live.record.live_record import LiveRecord
from gradus_live.record.sequence import MeanSequence
from gradus_runtime.cli.output import table_text, wrapped
from gradus_runtime.wording import counted, plural

__all__ = [
    "between",
    "groups_shown",
    "left_out",
    "percent_gained",
    "record_headline",
    "render_record",
    "waiting",
]

_HEAD = (
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
)


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


def waiting(record: LiveRecord) -> list[str]:
    """Say how many decisions wait; nothing where none does."""
    if not record.pending:
        return []
    what = plural(record.pending, "decision waits for its outcome", "decisions wait for their outcome")
    return [f"{record.pending:,} {what}"]


def left_out(record: LiveRecord) -> list[str]:
    """Say what the record leaves out and why, a sentence each."""
    repeated = plural(record.repeated, "decision was", "decisions were")
    unknown = plural(record.without_outcome, "bar has", "bars have")
    gone = plural(
        record.without_artifact, "decision is of a version that is", "decisions are of versions that are"
    )
    found = (
        (record.repeated, f"{repeated} for a bar that had one; the first counts"),
        (record.without_outcome, f"{unknown} an outcome that cannot be known: candles are missing"),
        (record.without_artifact, f"{gone} not in the store"),
    )
    return [f"{count:,} {what}" for count, what in found if count]


def render_record(record: LiveRecord, width: int = sys.maxsize) -> str:
    """Return the record as text, the verdict in the first line.

    Args:
        record: The record.
        width: Characters of a line; a table that is wider becomes a block a row.
    """
    lines = [record_headline(record)]
    if record.first and record.last:
        lines.append(
            f"{counted(record.bars, 'bar')} from {record.first[:16]}Z to {record.last[:16]}Z, "
            + "; ".join([f"{record.fallback:,} without a level", *waiting(record)])
        )
    lines += [f"left out: {text}" for text in left_out(record)]
    lines += ["", table_text(_HEAD, _rows(groups_shown(record)), width)]
    if record.market is None:
        lines += ["", "no costs were given, so money is left out: --costs config/costs.toml"]
    lines += [
        "",
        "skill: Brier score of the class shares less that of the probabilities; above 0 is better than them.",
        "In brackets: where the true mean is, at every look, with 95 % confidence; blocks are whole days.",
        "Net: what a stake has gained after costs, if each trade took all of it.",
    ]
    return "\n".join(line if "\n" in line else wrapped("", line, width) for line in lines) + "\n"


def _rows(groups: Iterable[GroupRecord]) -> list[list[str]]:
    rows = []
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
    return rows
