"""From the members' sums to the level's probabilities and label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from gradus_convert.graphs.arithmetic import as_nodes
from gradus_convert.graphs.builder import FLOAT, Columns, Graph
from gradus_convert.graphs.exact_vote import tempered
from gradus_convert.graphs.types import Vote

__all__ = ["MemberVote", "emit_vote"]


@dataclass(frozen=True, slots=True)
class MemberVote:
    """One member's part in the vote.

    Attributes:
        link: From sums to probabilities, as in `Forest`; "identity" for a fragment.
        columns: Sums of this member.
        weight: As in `VotingMember`.
        classes: As in `VotingMember`.
    """

    link: str
    columns: int
    weight: float
    classes: tuple[int, ...]


def emit_vote(
    graph: Graph,
    values: Sequence[Columns],
    ballots: Sequence[MemberVote],
    n_classes: int,
    *,
    vote: Vote,
    temperature: float | None = None,
    output: str,
    label: str,
) -> None:
    """Write links, vote and label.

    With p_m the probabilities of member m (0 for a class it does not know) and w_m its weight:

    * soft: probabilities = sum of w_m p_m / sum of w_m.
    * hard: the same with p_m replaced by 1 at its largest probability (the first in a tie), 0 elsewhere.
    * temperature t: each probability is raised to 1 / t, in float64, and the row is divided by its sum.
    * label: the index of the largest, the first in a tie, as `numpy.argmax`.

    Args:
        graph: Written to.
        values: Side by side they hold the columns of all ballots.
        ballots: In the order of the columns.
        n_classes: Classes of the level.
        vote: "soft" or "hard".
        temperature: Of the level; None for none.
        output: Name of the probabilities.
        label: Name of the label.
    """
    alone = len(ballots) == 1 and ballots[0].classes == tuple(range(n_classes))
    if alone and vote == "soft" and temperature is None:
        _alone(graph, graph.join(values), ballots[0].link, output)
        graph.op("ArgMax", output, axis=1, keepdims=0, name=label)
        return
    groups = [list(g) for _, g in groupby(ballots, key=lambda b: (b.link, b.columns))]
    widths = [sum(b.columns for b in g) for g in groups]
    parts = graph.regroup(values, widths)
    votes = [_probabilities(graph, part, group, vote) for part, group in zip(parts, groups, strict=True)]
    side_by_side = votes[0] if len(votes) == 1 else graph.op("Concat", *votes, axis=1)
    last = None if temperature is not None else output
    weights = graph.constant(_matrix(ballots, n_classes), np.float32, "vote")
    result = graph.op("MatMul", side_by_side, weights, name=last, type=FLOAT, dims=["N", n_classes])
    if temperature is not None:
        ops = as_nodes(graph)
        sure = tempered(ops, ops.cast(result, np.float64), n_classes, temperature)
        result = graph.op("Cast", sure, to=FLOAT, type=FLOAT, dims=["N", n_classes], name=output)
    graph.op("ArgMax", result, axis=1, keepdims=0, name=label)


def _alone(graph: Graph, sums: str, link: str, output: str) -> None:
    """Write the probabilities of a member that votes alone: no weight changes them."""
    if link == "softmax":
        graph.op("Softmax", sums, axis=1, name=output)
    elif link == "sigmoids":
        graph.op("Sigmoid", sums, name=output)
    elif link == "shares":
        each = graph.op("Sigmoid", sums)
        graph.op("Div", each, graph.total(each, 1, keepdims=1), name=output)
    elif link == "sigmoid":
        positive = graph.op("Sigmoid", sums)
        negative = graph.op("Sub", graph.constant(1, np.float32), positive)
        graph.op("Concat", negative, positive, axis=1, name=output)
    else:
        graph.op("Identity", sums, name=output)


def _matrix(
    ballots: Sequence[MemberVote], n_classes: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """What each column of each member's probabilities gives to each class."""
    rows = [(c, b.weight) for b in ballots for c in b.classes]
    matrix = np.zeros((len(rows), n_classes))
    for i, (c, weight) in enumerate(rows):
        matrix[i, c] = weight
    return matrix / math.fsum(b.weight for b in ballots)


def _probabilities(graph: Graph, sums: str, group: Sequence[MemberVote], vote: Vote) -> str:
    """The votes of members with one link and as many columns: float32 [N, members * classes]."""
    link, columns = group[0].link, group[0].columns
    classes = len(group[0].classes)
    if link == "identity" and vote == "soft":
        return sums
    if link == "softmax" and len(group) == 1 and vote == "soft":
        return graph.op("Softmax", sums, axis=1)
    value = graph.op("Reshape", sums, graph.shape(-1, len(group), columns))
    if link == "softmax":
        value = graph.op("Softmax", value, axis=2)
    elif link in ("sigmoids", "shares"):
        value = graph.op("Sigmoid", value)
        if link == "shares":
            value = graph.op("Div", value, graph.total(value, 2, keepdims=1))
    elif link == "sigmoid":
        positive = graph.op("Sigmoid", value)
        negative = graph.op("Sub", graph.constant(1, np.float32), positive)
        value = graph.op("Concat", negative, positive, axis=2)
    if vote == "hard":
        best = graph.op("ArgMax", value, axis=2, keepdims=1)
        chosen = graph.op("Equal", best, graph.constant(np.arange(classes), np.int64))
        value = graph.op("Cast", chosen, to=FLOAT)
    return graph.op("Reshape", value, graph.shape(-1, len(group) * classes))
