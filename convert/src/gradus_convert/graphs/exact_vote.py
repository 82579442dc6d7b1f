"""From whole sums of leaves to probabilities whose 32 bits are the same everywhere.

The vote is written once, in the operators of `arithmetic`, and carried out twice: as nodes of a graph, and in
numpy, where it says without onnxruntime which bits the graph must give. Sums over members and classes are
made in the order in which they stand, and rounding to float32 comes once and last.

Where the margins of a member may span more than 100 octaves, the largest margin of the row is taken off first
and what is 100 octaves smaller counts as that. So no probability is subnormal, and a processor that takes
subnormal numbers for 0 gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs.arithmetic import Arithmetic, Operator, as_nodes, in_numpy
from gradus_convert.graphs.builder import FLOAT, Columns, Graph
from gradus_convert.graphs.fixed_point import FixedPoint, fixed_point
from gradus_convert.graphs.powers import PER_UNIT, REST, SHIFT, STEPS, powers
from gradus_convert.graphs.temperature import at_power
from gradus_convert.graphs.types import Vote, VotingMember

__all__ = ["ExactBallot", "emit_exact_vote", "exact_answers", "exact_ballots", "exponential"]

MOST_OCTAVES = 100
FEW_COLUMNS = 4
SHORT = 16 * STEPS
"""Entries of a table beside which there is room for another: it takes an operator away."""
LEAST_SHARE = 2.0**-18
"""2^-100, among at most 64 classes, times this stays a normal float32, which end at 2^-126."""

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class ExactBallot:
    """One member's part in the vote.

    Attributes:
        link: As in `Forest`.
        fixed: Its sums of leaves: steps of `powers`; or probabilities, times `share` in a soft vote.
        share: Its weight, divided by the sum of all.
        classes: As in `VotingMember`.
    """

    link: str
    fixed: FixedPoint
    share: float
    classes: tuple[int, ...]

    @property
    def columns(self) -> int:
        """How many sums."""
        return len(self.fixed.base)


def exact_ballots(members: Sequence[tuple[VotingMember, Forest]], vote: Vote) -> list[ExactBallot]:
    """Return how the members vote.

    Args:
        members: All of a level, with the forests that they are.
        vote: "soft" or "hard".

    Raises:
        InexactModelError: The leaves of one are too large.
    """
    total = math.fsum(m.weight for m, _ in members)
    result = []
    for member, forest in members:
        share = member.weight / total
        unit = PER_UNIT if forest.link != "identity" else share if vote == "soft" else 1.0
        fixed = fixed_point(forest, unit, place=member.name)
        result.append(ExactBallot(forest.link, fixed, share, member.classes))
    return result


def emit_exact_vote(
    graph: Graph,
    values: Sequence[Columns],
    ballots: Sequence[ExactBallot],
    n_classes: int,
    *,
    vote: Vote,
    temperature: float | None = None,
    output: str,
    label: str,
) -> None:
    """Write links, vote and label; the meaning is that of `vote.emit_vote`.

    Args:
        graph: Written to.
        values: float64 [N, columns], sums without the bases; side by side those of all ballots.
        ballots: In the order of the columns; those with one link and as many columns stand together.
        n_classes: Classes of the level.
        vote: "soft" or "hard".
        temperature: Of the level, applied last; None for none.
        output: Name of the probabilities.
        label: Name of the label: the largest of the float32 probabilities, the first in a tie.

    Raises:
        InexactModelError: Weights lie so far apart that a probability could be subnormal.
    """
    groups = _groups(ballots)
    parts = graph.regroup(values, [sum(b.columns for b in group) for group in groups])
    result = _vote(as_nodes(graph), parts, groups, n_classes, vote, temperature)
    graph.op("Cast", result, to=FLOAT, type=FLOAT, dims=["N", n_classes], name=output)
    graph.op("ArgMax", output, axis=1, keepdims=0, name=label)


def exact_answers(
    sums: Sequence[Int64],
    ballots: Sequence[ExactBallot],
    n_classes: int,
    *,
    vote: Vote,
    temperature: float | None = None,
) -> npt.NDArray[np.float32]:
    """Return the probabilities that a graph must give, to the bit: float32 [N, C].

    Args:
        sums: By ballot, without the base: int64 [N, columns], as `FixedPoint` counts.
        ballots: As `emit_exact_vote` takes them.
        n_classes: Likewise.
        vote: Likewise.
        temperature: Likewise.
    """
    groups = _groups(ballots)
    left = [b.fixed.value(whole) for b, whole in zip(ballots, sums, strict=True)]
    values = [np.concatenate([left.pop(0) for _ in group], axis=1) for group in groups]
    result = _vote(in_numpy(), values, groups, n_classes, vote, temperature)
    return result.astype(np.float32)


def _groups(ballots: Sequence[ExactBallot]) -> list[list[ExactBallot]]:
    """Members with one link and as many columns: one operator serves them."""
    return [list(g) for _, g in groupby(ballots, key=lambda b: (b.link, b.columns))]


def _vote(
    ops: Arithmetic[Value],
    values: Sequence[Value],
    groups: Sequence[Sequence[ExactBallot]],
    n_classes: int,
    vote: Vote,
    temperature: float | None,
) -> Value:
    _check_shares([b.share for g in groups for b in g])
    parts: list[Value] = []
    for value, group in zip(values, groups, strict=True):
        parts += _group_votes(ops, value, group, n_classes, vote)
    result = _fold(ops, "Add", parts)
    return result if temperature is None else tempered(ops, result, n_classes, temperature)


def tempered(ops: Arithmetic[Value], p: Value, n_classes: int, temperature: float) -> Value:
    """Return probabilities, float64 [N, C], to the power of 1 / temperature, divided by their sum."""
    powers = at_power(ops, p, temperature)
    return ops.apply("Div", powers, _by_member(ops, "Add", powers, 1, n_classes))


def _check_shares(shares: Sequence[float]) -> None:
    least = min(shares)
    if least < LEAST_SHARE:
        raise InexactModelError(
            f"the least weight must be at least {LEAST_SHARE:.1e} of all",
            place="graphs.exact_vote",
            value=least,
            hint="Leave out members of negligible weight.",
        )


def _fold(ops: Arithmetic[Value], operator: Operator, parts: Sequence[Value]) -> Value:
    """Apply an operator to one part after the other: the order is part of the contract."""
    total = parts[0]
    for part in parts[1:]:
        total = ops.apply(operator, total, part)
    return total


def _columns(ops: Arithmetic[Value], value: Value, places: Sequence[int]) -> Value:
    """Take columns."""
    return ops.gather(value, ops.constant(places, np.int64), 1)


def _by_member(ops: Arithmetic[Value], operator: Operator, value: Value, many: int, columns: int) -> Value:
    """Sum up (or take the largest of) each member's columns, and repeat the result for each of them.

    Few columns are repeated at once, which takes an operator less; many would be too much to copy.
    """
    times = columns if columns <= FEW_COLUMNS else 1
    parts = [
        _columns(ops, value, [m * columns + c for m in range(many) for _ in range(times)])
        for c in range(columns)
    ]
    total = _fold(ops, operator, parts)
    if times == columns or many == 1:
        return total
    return _columns(ops, total, [m for m in range(many) for _ in range(columns)])


def _group_votes(
    ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot], n_classes: int, vote: Vote
) -> list[Value]:
    """What each member of a group gives to each class: float64 [N, C]."""
    link, many, classes = group[0].link, len(group), len(group[0].classes)
    p = _with_base(ops, value, group) if link == "identity" else _normalised(ops, value, group)
    if vote == "hard":
        p = _decisions(ops, p, many, classes)
    if (link != "identity" or vote == "hard") and any(b.share != 1 for b in group):
        p = ops.apply("Mul", p, ops.constant([[b.share for b in group for _ in range(classes)]]))
    every = tuple(range(n_classes))
    if many == 1 and group[0].classes == every:
        return [p]
    if any(len(b.classes) < n_classes for b in group):
        p = ops.append_zero(p)
    absent = many * classes
    return [
        _columns(ops, p, [m * classes + b.classes.index(c) if c in b.classes else absent for c in every])
        for m, b in enumerate(group)
    ]


def _decisions(ops: Arithmetic[Value], p: Value, many: int, classes: int) -> Value:
    """Return 1 at each member's largest probability, the first in a tie, and 0 elsewhere."""
    best = ops.argmax(ops.reshape(p, -1, many, classes), 2)
    chosen = ops.apply("Equal", best, ops.constant(np.arange(classes), np.int64))
    return ops.reshape(ops.cast(chosen, np.float64), -1, many * classes)


def _bases(group: Sequence[ExactBallot]) -> Float64:
    return np.concatenate([b.fixed.value(b.fixed.base) for b in group])[None]


def _with_base(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot]) -> Value:
    base = _bases(group)
    return ops.apply("Add", value, ops.constant(base)) if base.any() else value


def _normalised(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot]) -> Value:
    """Softmax, or sigmoids, of sums in steps: the columns of one member after those of another."""
    e, many = exponential(ops, value, group), len(group)
    if group[0].link == "softmax":
        return ops.apply("Div", e, _by_member(ops, "Add", e, many, group[0].columns))
    one = ops.constant(1.0)
    total = ops.apply("Add", e, one)
    if group[0].link in ("sigmoids", "shares"):
        each = ops.apply("Div", e, total)
        if group[0].link == "sigmoids":
            return each
        return ops.apply("Div", each, _by_member(ops, "Add", each, many, group[0].columns))
    both = ops.concat([ops.apply("Div", one, total), ops.apply("Div", e, total)], 1)
    return both if many == 1 else _columns(ops, both, [k * many + m for m in range(many) for k in (0, 1)])


def exponential(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot]) -> Value:
    """Return exp of each margin, for the softmax times a factor that is one for all columns of a member."""
    first = math.floor(min(float(b.fixed.value(b.fixed.low).min()) for b in group)) - 1
    last = math.ceil(max(float(b.fixed.value(b.fixed.high).max()) for b in group)) + 1
    softmax, limit = group[0].link == "softmax", MOST_OCTAVES * STEPS
    wide = last - first > limit or (not softmax and max(-first, last) > limit)
    start = _bases(group)
    if wide and softmax:
        value = _with_base(ops, value, group)
        value = ops.apply("Sub", value, _by_member(ops, "Max", value, len(group), group[0].columns))
        start, first, last = np.zeros_like(start), -limit, 1
    elif wide:
        first = min(max(first, -limit), limit)
        last = max(min(last, limit), first + 1)
    y = ops.apply("Add", value, ops.constant(start - first))
    if wide:
        y = ops.apply("Min", ops.apply("Max", y, ops.constant(0.0)), ops.constant(float(last - first)))
    return _power(ops, y, powers(0, last - first) if softmax else powers(first, last))


def _power(ops: Arithmetic[Value], y: Value, table: Float64) -> Value:
    """Return 2^(y / 128), times what the table starts with."""
    j = ops.cast(y, np.int32)  # y is not negative: this rounds it down
    if len(table) <= SHORT:
        shifted = ops.apply("Add", y, ops.gather(ops.constant(SHIFT - np.arange(len(table))), j, 0))
    else:
        f = ops.apply("Sub", y, ops.cast(j, np.float64))
        shifted = ops.apply("Add", f, ops.constant(SHIFT))
    curve = ops.apply("Add", ops.apply("Mul", shifted, shifted), ops.constant(REST))
    return ops.apply("Mul", curve, ops.gather(ops.constant(table), j, 0))
