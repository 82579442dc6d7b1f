"""Builds the live record from outcomes, manifests and what else the journal tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from gradus_live.bars import Floats
from gradus_live.costs import Costs
from gradus_live.labels import Outcomes
from gradus_live.outcomes.file import OutcomeLine
from gradus_live.record.group import FEWEST_VALUES, GroupRecord, OutcomeRows, judge_group
from gradus_live.record.promise import Promise, priors_of, promise_of
from gradus_live.record.sequence import blocks_of_days, running
from gradus_runtime.contracts.manifest import META, Manifest
from gradus_runtime.contracts.names import FALLBACK

__all__ = ["DayPoint", "LiveRecord", "build_record"]

ALL = "all"
_LAG = 96
"""Bars whose outcome may not have been known yet: more than the reach of a usual label."""


@dataclass(frozen=True, slots=True)
class DayPoint:
    """A block of whole days as the page draws it.

    Attributes:
        day: Its last day, ISO 8601.
        skill: Of the block.
        mean: Of all blocks so far.
        low: Lower end of the confidence sequence so far; None where nothing could be said.
        high: Upper end.
        promised_low: The lowest fold that was promised, mean over the block's bars; None where none was.
        promised_high: The highest.
        net: Net log return of all trades that were opened so far; None without costs.
    """

    day: str
    skill: float
    mean: float
    low: float | None
    high: float | None
    promised_low: float | None
    promised_high: float | None
    net: float | None


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """The record of a bot.

    Attributes:
        artifact: Name of the artifact.
        first: Opening of the first bar, ISO 8601 in UTC; None without a bar.
        last: Of the last.
        bars: Bars with a decision and an outcome.
        repeated: Decisions for a bar that had one: of another process, or made again.
        without_outcome: Decisions whose outcome can never be known.
        without_artifact: Decisions of versions that are not in the store.
        fallback: Bars that no level served.
        pending: Decisions whose outcome is not known yet.
        overall: Of all levels and versions.
        levels: By level, all versions.
        versions: By version, all levels, in order of time.
        groups: By version and level.
        days: For the page.
        market: Of the costs; None without costs.
    """

    artifact: str
    first: str | None
    last: str | None
    bars: int
    repeated: int
    without_outcome: int
    without_artifact: int
    fallback: int
    pending: int
    overall: GroupRecord
    levels: tuple[GroupRecord, ...]
    versions: tuple[GroupRecord, ...]
    groups: tuple[GroupRecord, ...]
    days: tuple[DayPoint, ...]
    market: str | None


def build_record(
    lines: Sequence[OutcomeLine],
    manifests: Mapping[str, Manifest],
    costs: Costs | None,
    *,
    pending: int = 0,
) -> LiveRecord:
    """Build the record; the order of the lines, and how many processes wrote them, does not matter.

    Args:
        lines: Outcomes.
        manifests: Of the versions, by digest.
        costs: What trades cost; None leaves money out.
        pending: Decisions whose outcome is not known yet, for the record's head.
    """
    ordered = sorted(lines, key=lambda line: (line.bar, line.decided, line.id))
    first = {line.bar: line for line in reversed(ordered)}
    once = [line for line in ordered if first[line.bar] is line]
    known = [line for line in once if line.digest in manifests]
    told = [line for line in known if line.label is not None]
    served = [line for line in told if line.level != FALLBACK]
    rows, promises = _rows(served, manifests)
    keys = list(dict.fromkeys(zip(rows.versions, rows.levels, strict=True)))

    def group(version: str, level: str) -> GroupRecord:
        keep = np.array(
            [
                version in (ALL, v) and level in (ALL, s)
                for v, s in zip(rows.versions, rows.levels, strict=True)
            ],
            bool,
        )
        those = [promises[key] for key in keys if version in (ALL, key[0]) and level in (ALL, key[1])]
        return judge_group(version, level, rows.select(keep), those, costs)

    versions = list(dict.fromkeys(rows.versions))
    levels = sorted(dict.fromkeys(rows.levels))
    stamps = [line.bar for line in once]
    return LiveRecord(
        artifact=next((line.artifact for line in once), ""),
        first=_iso(stamps[0]) if stamps else None,
        last=_iso(stamps[-1]) if stamps else None,
        bars=len(told),
        repeated=len(ordered) - len(once),
        without_outcome=len(known) - len(told),
        without_artifact=len(once) - len(known),
        fallback=len(told) - len(served),
        pending=pending,
        overall=group(ALL, ALL),
        levels=tuple(group(ALL, level) for level in levels),
        versions=tuple(group(version, ALL) for version in versions),
        groups=tuple(group(*key) for key in keys),
        days=_days(rows, promises, costs),
        market=None if costs is None else costs.market,
    )


def _rows(
    lines: Sequence[OutcomeLine], manifests: Mapping[str, Manifest]
) -> tuple[OutcomeRows, dict[tuple[str, str], Promise | None]]:
    promises: dict[tuple[str, str], Promise | None] = {}
    priors: dict[tuple[str, str], Floats | None] = {}
    seen = _SharesSoFar()
    skills, lows, came, calls, probabilities = [], [], [], [], []
    for line in lines:
        key = (line.version, line.level)
        if key not in promises:
            promises[key] = promise_of(manifests[line.digest], line.level)
            priors[key] = priors_of(manifests[line.digest], line.level)
        p = np.frombuffer(bytes.fromhex(line.bits), ">f4").astype(np.float64)
        label = line.classes.index(str(line.label))
        target = np.eye(len(p))[label]
        so_far = seen.next(label, len(p))
        shares = so_far if (known := priors[key]) is None else known
        skills.append(float(((shares - target) ** 2).sum() - ((p - target) ** 2).sum()))
        promise = promises[key]
        lows.append(np.nan if promise is None else promise.low)
        came.append(label)
        calls.append(int(p.argmax()))
        probabilities.append(p)
    width = len(probabilities[0]) if probabilities else 1

    def number(value: float | None) -> float:
        return np.nan if value is None else value

    found = Outcomes(
        np.array(came, np.int64),
        np.array([number(line.long) for line in lines]),
        np.array([number(line.short) for line in lines]),
        np.array([line.long_bars for line in lines], np.int64),
        np.array([line.short_bars for line in lines], np.int64),
    )
    rows = OutcomeRows(
        np.array([line.bar for line in lines], np.int64),
        tuple(line.version for line in lines),
        tuple(line.level for line in lines),
        np.array(probabilities).reshape(-1, width),
        np.array(came, np.int64),
        np.array(calls, np.int64),
        np.array([_acted(line, manifests[line.digest]) for line in lines], bool),
        np.array([_right(line, manifests[line.digest]) for line in lines], bool),
        np.array(skills),
        np.array(lows),
        np.array([line.side or 0 for line in lines], np.int64),
        found,
        lines[0].bar_ms if lines else 1,
    )
    return rows, promises


def _right(line: OutcomeLine, manifest: Manifest) -> bool:
    """Whether what was answered came; where the answer is a side, whether the trade on it came off."""
    if manifest.label is not None and manifest.label.kind == META:
        return bool(line.side) == (line.label == line.classes[1])
    return line.action == line.label


def _acted(line: OutcomeLine, manifest: Manifest) -> bool:
    """Whether the answer was for a side, and not what a held call became.

    A policy may answer with a class that is not the most probable one.
    """
    held = line.action != line.call and line.action == manifest.decision.fallback_action
    return line.call is not None and line.side != 0 and not held


class _SharesSoFar:
    """Class shares of the outcomes before each bar, where training's are not known; a day behind."""

    def __init__(self) -> None:
        self._labels: list[int] = []
        self._counts: dict[int, int] = {}

    def next(self, label: int, classes: int) -> Floats:
        """Return the shares at a bar, float64 [C], and take down what came of it."""
        self._labels.append(label)
        if len(self._labels) > _LAG:
            old = self._labels[-1 - _LAG]
            self._counts[old] = self._counts.get(old, 0) + 1
        counts = [1.0 + self._counts.get(c, 0) for c in range(classes)]
        return np.array(counts) / sum(counts)


def _days(
    rows: OutcomeRows, promises: Mapping[tuple[str, str], Promise | None], costs: Costs | None
) -> tuple[DayPoint, ...]:
    blocks = blocks_of_days(rows.stamps, rows.skill, rows.bar_ms, FEWEST_VALUES)
    ends = [promises[key] for key in zip(rows.versions, rows.levels, strict=True)]
    high = np.array([np.nan if p is None else p.high for p in ends])
    bounds = [
        blocks_of_days(rows.stamps, column, rows.bar_ms, FEWEST_VALUES).means for column in (rows.low, high)
    ]
    net = _net(rows, costs)
    points = []
    for i, so_far in enumerate(running(blocks.means.tolist())):
        day = int(blocks.days[i])
        until = rows.stamps < (day + 1) * 86_400_000
        points.append(
            DayPoint(
                datetime.fromtimestamp(day * 86_400, UTC).date().isoformat(),
                float(blocks.means[i]),
                so_far.mean,
                _finite(so_far.low),
                _finite(so_far.high),
                _finite(float(bounds[0][i])),
                _finite(float(bounds[1][i])),
                None if net is None else float(net[until].sum()),
            )
        )
    return tuple(points)


def _net(rows: OutcomeRows, costs: Costs | None) -> np.typing.NDArray[np.float64] | None:
    if costs is None or not len(rows.stamps):
        return None
    from gradus_live.money import net_returns, take_trades

    trades = take_trades(rows.stamps, rows.bar_ms, rows.sides, rows.outcomes)
    net = np.zeros(len(rows.stamps))
    net[trades.rows] = net_returns(trades, costs, rows.bar_ms)
    return net


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _iso(stamp: int) -> str:
    return datetime.fromtimestamp(stamp / 1000, UTC).isoformat()
