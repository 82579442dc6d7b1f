"""How far back each node is asked for: the rows before the wanted ones that it must be computed on.

Every value is computed on the wanted rows and a number of rows before them that is known here, at compile
time. So one bar costs little, and the graph computes no shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gradus_train.features.language import BARS, Domain, Longer, Node

__all__ = ["MARGIN", "Reach", "SmoothGroup", "longer_of", "measure_reach"]

MARGIN = 1
"""Values on bars are computed on at least so many rows more than wanted, which saves slices."""
_WINDOWS = ("mean_offset", "deviation", "mean_deviation", "rank_correlation", "correlation")


@dataclass(frozen=True, slots=True, eq=False)
class SmoothGroup:
    """Smoothings that run as the rows of one matrix: of one window, over values of one availability."""

    nodes: tuple[Node, ...]


@dataclass(slots=True)
class Reach:
    """What `measure_reach` finds.

    Attributes:
        order: The nodes, arguments first.
        rows: By node, the rows before the wanted ones that it is computed on.
        groups: By smoothing, the group that it runs in.
        bars: Bars before the wanted ones that the graph looks at.
        dated: Bars before the wanted ones for which daily values are looked up.
        pads: By other domain, the rows before the first real one.
        back: By longer bar, how far back bars must be looked at for its rows.
    """

    order: list[Node]
    rows: dict[Node, int]
    groups: dict[Node, SmoothGroup]
    bars: int = 1
    dated: int = 0
    pads: dict[Domain, int] = field(default_factory=dict)
    back: dict[Longer, int] = field(default_factory=dict)

    @property
    def widest(self) -> int:
        """The longest window that is laid out as a matrix: what memory grows with."""
        sizes = [int(n.parameters[0]) for n in self.order if n.op in _WINDOWS]
        return max(sizes, default=1)


def measure_reach(roots: Sequence[Node], bar_ms: int) -> Reach:
    """Find out how far back each node is asked for.

    Args:
        roots: The features, on bars.
        bar_ms: Length of a bar.
    """
    order = _arguments_first(roots)
    groups = _smooth_groups(order)
    reach = Reach(order, {n: MARGIN if n.domain == BARS else 0 for n in order}, groups)
    while _spread(reach, bar_ms):  # groups couple rows, so to a fixed point: two or three rounds
        pass
    for node, rows in reach.rows.items():
        if node.domain == BARS:
            reach.bars = max(reach.bars, rows)
        elif node.domain is not None:
            reach.pads[node.domain] = max(reach.pads.get(node.domain, 0), rows)
        if node.op == "from_dates":
            reach.dated = max(reach.dated, rows)
    for longer, back in reach.back.items():
        reach.bars = max(reach.bars, back + longer.ms // bar_ms - 1)
    return reach


def _arguments_first(roots: Sequence[Node]) -> list[Node]:
    """All nodes below the roots; the order of making has arguments first already."""
    found = set(roots)
    waiting = list(roots)
    while waiting:
        for argument in waiting.pop().args:
            if argument not in found:
                found.add(argument)
                waiting.append(argument)
    return sorted(found, key=lambda n: n.number)


def _smooth_groups(order: Sequence[Node]) -> dict[Node, SmoothGroup]:
    by_kind: dict[object, list[Node]] = {}
    for node in order:
        if node.op == "smooth":
            needs = frozenset(node.args[0].needs.items())
            by_kind.setdefault((node.domain, node.parameters[2], node.depth, needs), []).append(node)
    return {
        node: group for nodes in by_kind.values() for group in [SmoothGroup(tuple(nodes))] for node in nodes
    }


def _spread(reach: Reach, bar_ms: int) -> bool:
    """Tell the arguments of each node what it asks for; whether any was asked for more than before."""
    grown = False
    for node in reversed(reach.order):
        for other, rows in _asks(node, reach, bar_ms):
            if reach.rows[other] < rows:
                reach.rows[other] = rows
                grown = True
    return grown


def _asks(node: Node, reach: Reach, bar_ms: int) -> list[tuple[Node, int]]:
    rows = reach.rows[node]
    match node.op:
        case "smooth":
            more = [(other, rows) for other in reach.groups[node].nodes]
            return [*more, (node.args[0], rows + int(node.parameters[2]) - 1)]
        case "lag":
            return [(node.args[0], rows + int(node.parameters[0]))]
        case "from_longer":
            longer = longer_of(node.args[0])
            back = rows + node.history - longer.ms // bar_ms
            reach.back[longer] = max(reach.back.get(longer, 0), back)
            return []
        case "at_end":
            return [(node.args[0], reach.back.get(longer_of(node), 0))]
        case "from_dates":
            return []
        case op if op in _WINDOWS:
            return [(a, rows + int(node.parameters[0]) - 1) for a in node.args]
    return [(a, rows) for a in node.args]


def longer_of(node: Node) -> Longer:
    """The domain of a node that lives on longer bars."""
    if not isinstance(node.domain, Longer):
        raise TypeError(node.op)
    return node.domain
