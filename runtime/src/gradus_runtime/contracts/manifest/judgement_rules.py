"""What must hold in what training found. Each message names its key path."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol

from gradus_runtime.contracts.manifest.calibration import HOTTEST
from gradus_runtime.contracts.manifest.judgement import VERDICTS, OrderOfService
from gradus_runtime.contracts.manifest.types import Manifest
from gradus_runtime.errors import let_signals_through

__all__ = ["check_judgement", "check_order"]

_LABELS = ("fixed_horizon", "triple_barrier", "meta", "column")
_MAX_TEXT = 1000
_MAX_BARS = 100_000
_MAX_POINTS = 1000.0


class Need(Protocol):
    """Raises for a rule that does not hold."""

    def __call__(self, holds: bool, rule: str, path: str, value: object, hint: str | None = None) -> None:
        """Raise unless `holds`."""
        ...

    def unique(self, items: Iterable[str], what: str, path: str) -> None:
        """Raise where an item occurs twice."""
        ...

    def identifier(self, text: str, path: str) -> None:
        """Raise unless `text` is a name."""
        ...

    def text(self, text: str, path: str, limit: int = 128) -> None:
        """Raise unless `text` is printable and short enough."""
        ...


def check_order(m: Manifest, need: Need) -> None:
    """Check the order of service: every level once, and sentences for those that were measured."""
    order: OrderOfService = m.order_of_service
    known = [s.name for s in m.levels]
    rule = "an order of service must be measured or declared"
    need(order.kind in ("measured", "declared"), rule, "order_of_service.kind", order.kind)
    named = (*order.levels, *order.others)
    rule = "an order of service must name every level once"
    need(sorted(named) == sorted(known), rule, "order_of_service", named)
    rule = "all levels must be in service where their order is declared"
    need(order.kind == "measured" or not order.others, rule, "order_of_service.others", order.others)
    for i, proof in enumerate(order.proofs):
        path = f"order_of_service.proofs[{i}]"
        need(proof.level in known, "a level must be known", f"{path}.level", proof.level)
        rule = "a level must be compared with another level or with priors"
        need(proof.against in (*known, "priors") and proof.against != proof.level, rule, f"{path}.against",
             proof.against)  # fmt: skip
        need.text(proof.sentence, f"{path}.sentence", _MAX_TEXT)
    need.unique((p.level for p in order.proofs), "a level", "order_of_service.proofs")


def check_judgement(m: Manifest, need: Need) -> None:
    """Check label, costs, gates, verdict, temperatures and spans of rows."""
    _temperatures(m, need)
    _label(m, need)
    _costs(m, need)
    for i, gate in enumerate(m.gates or ()):
        path = f"gates[{i}]"
        need.text(gate.level, f"{path}.level")
        need.text(gate.rule, f"{path}.rule")
        rule = "a gate must be integrity or value"
        need(gate.kind in ("integrity", "value"), rule, f"{path}.kind", gate.kind)
        need.text(gate.sentence, f"{path}.sentence", _MAX_TEXT)
    if m.verdict is not None:
        rule = f"a verdict must be one of {', '.join(VERDICTS)}"
        need(m.verdict.name in VERDICTS, rule, "verdict.name", m.verdict.name)
        for i, sentence in enumerate(m.verdict.sentences):
            need.text(sentence, f"verdict.sentences[{i}]", _MAX_TEXT)
    for name in ("measured", "shipped"):
        span = getattr(m, name)
        if span is not None:
            need(span.rows >= 1, "rows must be at least 1", f"{name}.rows", span.rows)
            rule = "rows must start at or before their end"
            need(span.start <= span.end, rule, name, (span.start, span.end))


def _temperatures(m: Manifest, need: Need) -> None:
    if m.calibration is None:
        return
    votes = {s.name: s.vote for s in m.levels}
    need(bool(m.calibration), "a calibration must name a level, or be left out", "calibration", ())
    for i, c in enumerate(m.calibration):
        path = f"calibration[{i}]"
        need(votes.get(c.level) == "soft", "a level with a soft vote must be named", f"{path}.level", c.level)
        rule = f"a temperature must lie between {1 / HOTTEST:g} and {HOTTEST:g}"
        need(1 / HOTTEST <= c.temperature <= HOTTEST, rule, f"{path}.temperature", c.temperature)
        need.text(c.sentence, f"{path}.sentence", _MAX_TEXT)
    need.unique((c.level for c in m.calibration), "a level", "calibration")


def _label(m: Manifest, need: Need) -> None:
    label = m.label
    if label is None:
        return
    need(label.kind in _LABELS, f"a label must be one of {', '.join(_LABELS)}", "label.kind", label.kind)
    rule = f"a reach must be 1 to {_MAX_BARS} bars"
    need(1 <= label.reach <= _MAX_BARS, rule, "label.reach", label.reach)
    for name in (*label.numbers, *label.texts):
        need.identifier(name, "label")
    for name, text in label.texts.items():
        need.text(text, f"label.texts.{name}")
    need.text(label.sentence, "label.sentence", _MAX_TEXT)


def _costs(m: Manifest, need: Need) -> None:
    costs = m.costs
    if costs is None:
        return
    need.text(costs.market, "costs.market")
    try:
        date.fromisoformat(costs.as_of)
        dated = True
    except ValueError as e:
        let_signals_through(e)
        dated = False
    need(dated, "costs must hold as of a date", "costs.as_of", costs.as_of)
    need(costs.fill in ("taker", "maker"), "fill must be taker or maker", "costs.fill", costs.fill)
    for name in ("maker_fee", "taker_fee", "spread", "slippage", "funding_per_day"):
        value = getattr(costs, name)
        rule = f"costs must lie between -{_MAX_POINTS:g} and {_MAX_POINTS:g} basis points"
        need(-_MAX_POINTS < value < _MAX_POINTS, rule, f"costs.{name}", value)
