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
from gradus_convert.graphs.arithmetic import Arithmetic, as_nodes, in_numpy
from gradus_convert.graphs.builder import FLOAT, Columns, Graph
from gradus_convert.graphs.fixed_point import FixedPoint, fixed_point
from gradus_convert.graphs.powers import C1, C2, PER_UNIT, STEPS, powers
from gradus_convert.graphs.types import Vote, VotingMember

__all__ = ["ExactBallot", "ballot", "emit_exact_vote", "exact_answers"]

MOST_OCTAVES = 100
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
        fixed: Its sums of leaves.
        weight: As in `VotingMember`.
        classes: As in `VotingMember`.
    """

    link: str
    fixed: FixedPoint
    weight: float
    classes: tuple[int, ...]

    @property
    def columns(self) -> int:
        """How many sums."""
        return len(self.fixed.base)


def ballot(member: VotingMember, forest: Forest) -> ExactBallot:
    """Return how a member votes whose model is this forest.

    Raises:
        InexactModelError: Its leaves are too large.
    """
    return ExactBallot(forest.link, fixed_point(forest, place=member.name), member.weight, member.classes)


def emit_exact_vote(
    graph: Graph,
    values: Sequence[Columns],
    ballots: Sequence[ExactBallot],
    n_classes: int,
    *,
    vote: Vote,
    class_weights: Sequence[float] | None,
    output: str,
    label: str,
) -> None:
    """Write links, vote and label; the meaning is that of `vote.emit_vote`.

    Args:
        graph: Written to.
        values: Whole numbers in float64, without the bases; side by side they hold the columns of all
            ballots.
        ballots: In the order of the columns; those with one link and as many columns stand together.
        n_classes: Classes of the level.
        vote: "soft" or "hard".
        class_weights: Positive, by class.
        output: Name of the probabilities.
        label: Name of the label: the largest of the float32 probabilities, the first in a tie.

    Raises:
        InexactModelError: Weights lie so far apart that a probability could be subnormal.
    """
    groups = _groups(ballots)
    parts = graph.regroup(values, [sum(b.columns for b in group) for group in groups])
    result = _vote(as_nodes(graph), parts, groups, n_classes, vote, class_weights)
    graph.op("Cast", result, to=FLOAT, type=FLOAT, dims=["N", n_classes], name=output)
    graph.op("ArgMax", output, axis=1, keepdims=0, name=label)


def exact_answers(
    sums: Sequence[Int64],
    ballots: Sequence[ExactBallot],
    n_classes: int,
    *,
    vote: Vote,
    class_weights: Sequence[float] | None = None,
) -> npt.NDArray[np.float32]:
    """Return the probabilities that a graph must give, to the bit: float32 [N, C].

    Args:
        sums: By ballot, without the base: int64 [N, columns].
        ballots: As `emit_exact_vote` takes them.
        n_classes: Likewise.
        vote: Likewise.
        class_weights: Likewise.
    """
    groups, left = _groups(ballots), list(sums)
    values = [np.concatenate([left.pop(0) for _ in g], axis=1).astype(np.float64) for g in groups]
    return _vote(in_numpy(), values, groups, n_classes, vote, class_weights).astype(np.float32)


def _groups(ballots: Sequence[ExactBallot]) -> list[list[ExactBallot]]:
    """Members with one link and as many columns: one operator serves them."""
    return [list(g) for _, g in groupby(ballots, key=lambda b: (b.link, b.columns))]


def _vote(
    ops: Arithmetic[Value],
    values: Sequence[Value],
    groups: Sequence[Sequence[ExactBallot]],
    n_classes: int,
    vote: Vote,
    class_weights: Sequence[float] | None,
) -> Value:
    weights = [b.weight for g in groups for b in g]
    total = math.fsum(weights)
    _check_shares([w / total for w in weights], class_weights or [1.0])
    parts: list[Value] = []
    for value, group in zip(values, groups, strict=True):
        shares = np.array([b.weight / total for b in group])
        parts += _group_votes(ops, value, group, shares, n_classes, vote)
    result = _add(ops, parts)
    if class_weights is not None:
        result = ops.apply("Mul", result, ops.constant([class_weights]))
        result = ops.apply("Div", result, _add(ops, ops.split(result, [1] * n_classes, 1)))
    return result


def _check_shares(shares: Sequence[float], class_weights: Sequence[float]) -> None:
    least = min(shares) * min(class_weights) / max(class_weights)
    if least < LEAST_SHARE:
        raise InexactModelError(
            f"the least weight must be at least {LEAST_SHARE:.1e} of all",
            place="graphs.exact_vote",
            value=least,
            hint="Leave out a member that has no say.",
        )


def _add(ops: Arithmetic[Value], parts: Sequence[Value]) -> Value:
    """Add one after the other: the order is part of the contract."""
    total = parts[0]
    for part in parts[1:]:
        total = ops.apply("Add", total, part)
    return total


def _group_votes(
    ops: Arithmetic[Value],
    value: Value,
    group: Sequence[ExactBallot],
    shares: Float64,
    n_classes: int,
    vote: Vote,
) -> list[Value]:
    """What a group gives to each class: float64 [N, C], together or member by member."""
    columns, many, axis = group[0].columns, len(group), _axis(group)
    classes = len(group[0].classes)
    if many > 1:
        value = ops.reshape(value, -1, many, columns)
    if group[0].link == "identity":
        factor = shares if vote == "soft" else np.ones(many)
        p = _scaled(ops, value, group, factor)
    else:
        p = _normalised(ops, value, group)
    if vote == "hard":
        best = ops.argmax(p, axis)
        p = ops.cast(ops.apply("Equal", best, ops.constant(np.arange(classes), np.int64)), np.float64)
    if (group[0].link != "identity" or vote == "hard") and not (shares == 1).all():
        p = ops.apply("Mul", p, ops.constant(_by_member(shares, group)))
    if many == 1:
        return [_placed(ops, p, group[0].classes, n_classes)]
    members = ops.split(p, [1] * many, 1)
    if all(b.classes == tuple(range(n_classes)) for b in group):
        return [ops.reshape(_add(ops, members), -1, classes)]
    flat = [ops.reshape(member, -1, classes) for member in members]
    return [_placed(ops, p, b.classes, n_classes) for p, b in zip(flat, group, strict=True)]


def _axis(group: Sequence[ExactBallot]) -> int:
    """The axis of a group's columns: values are [N, columns], or [N, members, columns] for several."""
    return 1 if len(group) == 1 else 2


def _by_member(numbers: Float64, group: Sequence[ExactBallot]) -> Float64:
    """Give one number (or row of numbers) a member the shape that broadcasts to a group's values."""
    if len(group) == 1:
        return numbers[0] if numbers.ndim > 1 else numbers
    return numbers if numbers.ndim > 1 else numbers[:, None]


def _placed(ops: Arithmetic[Value], p: Value, classes: tuple[int, ...], n_classes: int) -> Value:
    """Put columns where the level has them; a class that the member does not know gets 0."""
    if classes == tuple(range(n_classes)):
        return p
    places = [classes.index(c) if c in classes else len(classes) for c in range(n_classes)]
    return ops.gather(ops.append_zero(p), ops.constant(places, np.int64), 1)


def _scaled(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot], factor: Float64) -> Value:
    """Return what whole sums stand for, bases included, times a factor a member."""
    unit = np.array([math.ldexp(f, -b.fixed.bits) for b, f in zip(group, factor, strict=True)])
    return ops.apply("Mul", _with_base(ops, value, group), ops.constant(_by_member(unit, group)))


def _with_base(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot]) -> Value:
    base = np.array([b.fixed.base for b in group], np.float64)
    if not base.any():
        return value
    return ops.apply("Add", value, ops.constant(_by_member(base, group)))


def _normalised(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot]) -> Value:
    """Softmax or sigmoid of whole sums."""
    e, axis = _exponential(ops, value, group), _axis(group)
    if group[0].link == "softmax":
        return ops.apply("Div", e, _add(ops, ops.split(e, [1] * group[0].columns, axis)))
    one = ops.constant(1.0)
    total = ops.apply("Add", e, one)
    return ops.concat([ops.apply("Div", one, total), ops.apply("Div", e, total)], axis)


def _exponential(ops: Arithmetic[Value], value: Value, group: Sequence[ExactBallot]) -> Value:
    """Return exp of each margin, for the softmax times a factor that is one for all columns of a member."""
    scale = np.array([math.ldexp(PER_UNIT, -b.fixed.bits) for b in group])
    low = min(float(b.fixed.low.min() * s) for b, s in zip(group, scale, strict=True))
    high = max(float(b.fixed.high.max() * s) for b, s in zip(group, scale, strict=True))
    first, last = math.floor(low) - 1, math.ceil(high) + 1
    start = np.array([b.fixed.base * s for b, s in zip(group, scale, strict=True)])
    softmax, limit = group[0].link == "softmax", MOST_OCTAVES * STEPS
    wide = last - first > limit or (not softmax and max(-first, last) > limit)
    if wide and softmax:
        value = _with_base(ops, value, group)
        value = ops.apply("Sub", value, ops.largest(value, _axis(group)))
        start, first, last = np.zeros_like(start), -limit, 1
    elif wide:
        first = min(max(first, -limit), limit)
        last = max(min(last, limit), first + 1)
    y = ops.apply("Mul", value, ops.constant(_by_member(scale, group)))
    y = ops.apply("Add", y, ops.constant(_by_member(start - first, group)))
    if wide:
        y = ops.apply("Min", ops.apply("Max", y, ops.constant(0.0)), ops.constant(float(last - first)))
    return _power(ops, y, powers(0, last - first) if softmax else powers(first, last))


def _power(ops: Arithmetic[Value], y: Value, table: Float64) -> Value:
    """Return 2^(y / 128), times what the table starts with."""
    j = ops.apply("Floor", y)
    f = ops.apply("Sub", y, j)
    slope = ops.apply("Add", ops.apply("Mul", f, ops.constant(C2)), ops.constant(C1))
    curve = ops.apply("Add", ops.apply("Mul", f, slope), ops.constant(1.0))
    return ops.apply("Mul", curve, ops.gather(ops.constant(table), ops.cast(j, np.int32), 0))
