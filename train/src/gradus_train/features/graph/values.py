"""The tensor of each node, on the rows that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from onnx import TensorProto

from gradus_train.features.graph.calendar import Zone, calendar_field, turn_table
from gradus_train.features.graph.clocks import Clocks
from gradus_train.features.graph.domains import day_column
from gradus_train.features.graph.emitter import END, Emitter
from gradus_train.features.graph.frame import Frame
from gradus_train.features.graph.logarithm import logarithm
from gradus_train.features.graph.reach import Reach, longer_of
from gradus_train.features.graph.smoothing import smooth_group
from gradus_train.features.graph.windows import WINDOWS, View
from gradus_train.features.language import BARS, Dates, Longer, Node

__all__ = ["Values"]


@dataclass(slots=True)
class Values:
    """The tensors of the nodes of one graph; each is emitted when it is first asked for."""

    e: Emitter
    frame: Frame
    reach: Reach
    clocks: Clocks
    zone: Zone
    _tensors: dict[Node, str] = field(default_factory=dict)

    def view(self, node: Node, rows: int) -> str:
        """The tensor of a node on the last `rows` rows before the wanted ones, and those; lags are slices."""
        lag = 0
        while node.op == "lag":
            node, lag = node.args[0], lag + int(node.parameters[0])
        if node.op == "const":
            return self.e.floats(float(node.parameters[0]))
        return self.e.slice(self._tensor(node), self._have(node) - rows - lag, -lag or END)

    def _have(self, node: Node) -> int:
        """The rows before the wanted ones that a node's tensor has."""
        if node.op == "column" and node.domain == BARS:
            return self.frame.before
        if node.op in ("column", "at_end") and node.domain is not None:
            return self.reach.pads.get(node.domain, 0)
        return self.reach.rows[node]

    def _tensor(self, node: Node) -> str:
        if node not in self._tensors:
            if node.op == "smooth":
                self._tensors.update(self._smoothed(node))
            else:
                self._tensors[node] = self._emit(node, self.reach.rows[node])
        return self._tensors[node]

    def _emit(self, node: Node, rows: int) -> str:
        e = self.e
        match node.op:
            case "column":
                return self._column(node)
            case "calendar":
                stamps = e.slice(self.frame.timestamp, self.frame.before - rows)
                return calendar_field(e, stamps, str(node.parameters[0]), self.zone)
            case "at_end":
                return self._at_end(node)
            case "from_longer" | "from_dates":
                return self._as_of(node, rows)
            case "Cast":
                return e.cast(self.view(node.args[0], rows), TensorProto.DOUBLE)
            case "table":
                table = e.floats(turn_table(str(node.parameters[0]), int(node.parameters[1])))
                return e.op("Gather", table, e.cast(self.view(node.args[0], rows), TensorProto.INT64))
            case "log":
                return logarithm(e, self.view(node.args[0], rows))
            case op if op in WINDOWS:
                size, *more = (int(p) for p in node.parameters)
                views = [View(self.view(a, rows + size - 1), self.view(a, rows)) for a in node.args]
                return WINDOWS[op](e, views, size, *more)
        return e.op(node.op, *(self.view(a, rows) for a in node.args))

    def _column(self, node: Node) -> str:
        name = str(node.parameters[0])
        if not isinstance(node.domain, Dates):
            return self.frame.columns[name]
        return self.e.op("Gather", day_column(self.e, name), self.clocks.domain(node.domain).at)

    def _at_end(self, node: Node) -> str:
        """A value on bars, at the end of each longer bar."""
        e, inner = self.e, node.args[0]
        rows = self.reach.rows[inner]
        first = self.frame.before - rows  # the bar that the view of it begins with
        at = e.op("Max", e.op("Sub", self.clocks.domain(longer_of(node)).at, e.ints(first)), e.ints(0))
        return e.op("Gather", self.view(inner, rows), at)

    def _as_of(self, node: Node, rows: int) -> str:
        """The value of another domain that each bar sees."""
        inner = node.args[0]
        domain = inner.domain
        if not isinstance(domain, Longer | Dates):
            raise TypeError(node.op)
        have = self.frame.before if isinstance(domain, Longer) else self.reach.dated
        index = self.e.slice(self.clocks.domain(domain).index, have - rows)
        return self.e.op("Gather", self.view(inner, 0), index)

    def _smoothed(self, node: Node) -> dict[Node, str]:
        group = self.reach.groups[node].nodes
        rows, window = self.reach.rows[node], int(node.parameters[2])
        clocks = [(self.clocks.rows(clock), need.first) for clock, need in node.args[0].needs.items()]
        views = [self.view(m.args[0], rows + window - 1) for m in group]
        decays = [(int(m.parameters[0]), int(m.parameters[1])) for m in group]
        tensors = smooth_group(self.e, views, decays, window, rows, clocks)
        return dict(zip(group, tensors, strict=True))
