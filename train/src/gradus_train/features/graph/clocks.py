"""Clocks: the rows since the start of a segment in every domain, and since a value was last unavailable."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradus_train.features.graph.domains import DomainRows, dates_rows, longer_rows
from gradus_train.features.graph.emitter import Emitter
from gradus_train.features.graph.frame import Frame, RowFrame
from gradus_train.features.graph.reach import Reach, longer_of
from gradus_train.features.language import BarClock, Dates, Domain, Longer, Node, RowsNeeded, Since
from gradus_train.features.language.nodes import Clock

__all__ = ["Clocks"]


@dataclass(slots=True)
class Clocks:
    """The clocks of one graph; each is emitted when it is first asked for.

    Attributes:
        e: Where to.
        frame: The bars.
        reach: How far back things are asked for.
        bar_ms: Length of a bar.
        carry_days: A daily value is used for at most so many days.
    """

    e: Emitter
    frame: Frame
    reach: Reach
    bar_ms: int
    carry_days: int
    _domains: dict[Domain, DomainRows] = field(default_factory=dict)
    _since: dict[Node, RowFrame] = field(default_factory=dict)
    _available: dict[Node, tuple[str, int]] = field(default_factory=dict)

    def domain(self, domain: Longer | Dates) -> DomainRows:
        """The rows of another domain."""
        if domain not in self._domains:
            pads = self.reach.pads.get(domain, 0)
            if isinstance(domain, Longer):
                rows = longer_rows(self.e, self.frame, domain, self.bar_ms, pads)
            else:
                rows = dates_rows(self.e, self.frame, domain, self.carry_days, pads, self.reach.dated)
            self._domains[domain] = rows
        return self._domains[domain]

    def rows(self, clock: Clock) -> RowFrame:
        """Where the rows of a clock stand."""
        match clock:
            case BarClock():
                return self.frame.rows
            case Longer() | Dates():
                return self.domain(clock).rows
            case Since(node):
                if node not in self._since:
                    self._since[node] = self._bars_since(node)
                return self._since[node]

    def met(self, clock: Clock, need: RowsNeeded, rows: int) -> str:
        """Whether a clock has run as far as is needed, on its last `rows` rows before the wanted ones."""
        e, stand = self.e, self.rows(clock)
        position = e.slice(stand.position, stand.have - rows)
        enough = e.op("GreaterOrEqual", position, e.ints(need.first - 1))
        if need.first == need.full:
            return enough
        full = e.op("GreaterOrEqual", position, e.ints(need.full - 1))
        known = e.slice(stand.known or "", stand.have - rows)
        return e.op("And", enough, e.op("Or", known, full))

    def available(self, node: Node) -> tuple[str, int]:
        """On bars: where a value of another domain is available; and for how many bars before the wanted."""
        if node not in self._available:
            rows, have = self._rows_of(node)
            needs = [
                (clock, need)
                for clock, need in node.needs.items()
                if not (isinstance(clock, Dates) and need.full == 1)  # the row "none yet" is never fresh
            ]
            flags = [rows.fresh]
            if needs:
                ok = self.e.all_of([self.met(c, need, 0) for c, need in needs])
                flags.insert(0, self.e.op("Gather", ok, rows.index))
            self._available[node] = (self.e.all_of(flags), have)
        return self._available[node]

    def _rows_of(self, node: Node) -> tuple[DomainRows, int]:
        """The rows of a node's domain, and for how many bars before the wanted ones they are looked up."""
        if isinstance(node.domain, Dates):
            return self.domain(node.domain), self.reach.dated
        return self.domain(longer_of(node)), self.frame.before

    def _bars_since(self, node: Node) -> RowFrame:
        """Bars since the value was last unavailable, or since the segment started, whichever is later."""
        e = self.e
        mask, have = self.available(node)
        start = e.op("Concat", e.flags([True]), e.op("Not", mask), axis=0)
        since = e.op("Sub", e.rows(mask), e.slice(e.starts_of(start), 1))
        since = e.op("Where", mask, since, e.ints(-1))
        in_segment = e.slice(self.frame.rows.position, self.frame.before - have)
        return RowFrame(have, e.op("Min", since, in_segment))
