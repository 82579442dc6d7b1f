"""Joins decisions with the candles that came after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradus_live.bars import Bars, Floats
from gradus_live.costs import Costs
from gradus_live.labels import NO_LABEL, Column, LabelRule, Meta, Outcomes, outcomes
from gradus_live.outcomes.file import OutcomeLine
from gradus_runtime.contracts.manifest import LONG, SHORT
from gradus_runtime.errors import DataError
from gradus_runtime.journal import DecisionLine

__all__ = ["Contract", "Joined", "join"]


@dataclass(frozen=True, slots=True)
class Contract:
    """What is needed of a version: classes, features, the label of training, and what a trade costs."""

    classes: tuple[str, ...]
    features: tuple[str, ...]
    label: LabelRule
    costs: Costs | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """Outcomes, and decisions that have none.

    Attributes:
        lines: Of decisions whose outcome is known, or can never be.
        pending: Decisions whose reach is not over, or whose bar is not there yet.
        without_bar: Decisions whose caller named no bar.
        unknown_versions: Decisions of versions without a contract.
    """

    lines: tuple[OutcomeLine, ...]
    pending: int
    without_bar: int
    unknown_versions: int


def join(decisions: Sequence[DecisionLine], bars: Bars, contracts: Mapping[str, Contract]) -> Joined:
    """Give each decision its outcome, as far as candles are there.

    Args:
        decisions: Of any versions.
        bars: N bars.
        contracts: By digest.

    Raises:
        DataError: A label that candles alone do not tell.
    """
    by_digest: dict[str, list[DecisionLine]] = {}
    without = unknown = pending = 0
    for line in decisions:
        if line.bar_ms is None:
            without += 1
        elif line.digest not in contracts:
            unknown += 1
        else:
            by_digest.setdefault(line.digest, []).append(line)
    lines: list[OutcomeLine] = []
    places = {stamp: i for i, stamp in enumerate(bars.timestamps.tolist())}
    known: dict[LabelRule, Outcomes] = {}
    for digest, part in by_digest.items():
        contract = contracts[digest]
        if isinstance(contract.label, Meta):
            found = _outcomes(contract, bars, part, places)
        else:
            if contract.label not in known:
                known[contract.label] = _outcomes(contract, bars, part, places)
            found = known[contract.label]
        for line in part:
            outcome = _outcome(line, contract, bars, places, found)
            if outcome is None:
                pending += 1
            else:
                lines.append(outcome)
    return Joined(tuple(lines), pending, without, unknown)


def _outcomes(
    contract: Contract, bars: Bars, decisions: Sequence[DecisionLine], places: Mapping[int, int]
) -> Outcomes:
    rule = contract.label
    if isinstance(rule, Column):
        raise DataError(
            f"candles alone do not tell the label column {rule.column}",
            place="labels",
            hint="Give a label that candles tell: --labels training.toml.",
        )
    side = _side(rule, contract, decisions, places, len(bars.close)) if isinstance(rule, Meta) else None
    return outcomes(rule, bars, side=side)


def _side(
    rule: Meta,
    contract: Contract,
    decisions: Sequence[DecisionLine],
    places: Mapping[int, int],
    count: int,
) -> Floats:
    """The proposed side at each bar, from the rows of the journal, float64 [N]; NaN where unknown."""
    if rule.side not in contract.features:
        raise DataError(
            f"the side of a meta label must be a feature, to be in the journal: {rule.side}", place="labels"
        )
    column = contract.features.index(rule.side)
    side = np.full(count, np.nan)
    for line in decisions:
        place = places.get(line.bar_ms if line.bar_ms is not None else -1)
        if place is not None and line.values is not None:
            side[place] = line.values[column]
    return side


def _outcome(
    line: DecisionLine, contract: Contract, bars: Bars, places: Mapping[int, int], found: Outcomes
) -> OutcomeLine | None:
    bar = line.bar_ms if line.bar_ms is not None else 0
    place = places.get(bar)
    over = int(bars.timestamps[-1]) >= bar + contract.label.reach * bars.bar_ms
    if not over:
        return None
    label = NO_LABEL if place is None else int(found.labels[place])
    long, short = (_known(column, place) for column in (found.long, found.short))
    side = _side_of(line.action, contract)
    held = (0, 0) if place is None else (int(found.long_bars[place]), int(found.short_bars[place]))
    return OutcomeLine(
        id=line.id,
        decided=line.decided,
        bar=bar,
        bar_ms=bars.bar_ms,
        artifact=line.artifact,
        version=line.version,
        digest=line.digest,
        level=line.level,
        action=line.action,
        call=line.call,
        bits=line.bits,
        classes=contract.classes,
        side=side,
        label=None if label == NO_LABEL else contract.classes[label],
        long=long,
        short=short,
        long_bars=held[0],
        short_bars=held[1],
        net=_net(side, (long, short), held, contract.costs, bars.bar_ms),
    )


def _net(
    side: int | None,
    gross: tuple[float | None, float | None],
    held: tuple[int, int],
    costs: Costs | None,
    bar_ms: int,
) -> float | None:
    """What a trade for the side of an action leaves after costs, as a log return."""
    if not side or costs is None:
        return None
    which = 0 if side > 0 else 1
    gain = gross[which]
    if gain is None:
        return None
    return gain - float(costs.of_trades(np.array([held[which]]), bar_ms)[0])


def _known(column: Floats, place: int | None) -> float | None:
    if place is None or not np.isfinite(column[place]):
        return None
    return float(column[place])


def _side_of(action: str, contract: Contract) -> int | None:
    """1 for an action that means a rise, -1 for a fall, 0 for neither; None where no class means either."""
    if isinstance(contract.label, Meta):
        return {LONG: 1, SHORT: -1}.get(action, 0)
    classes, sides = contract.classes, contract.label.sides
    if sides is None:
        return None
    if action not in classes:
        return 0
    return {sides[0]: -1, sides[1]: 1}.get(classes.index(action), 0)
