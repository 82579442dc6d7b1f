"""What must hold in what training found: order of service, judgement, drift, policy.

Each message names its key path.
"""

from __future__ import annotations

import binascii
import math
import struct
from datetime import date

from gradus_runtime.contracts.manifest.calibration import HOTTEST
from gradus_runtime.contracts.manifest.drift import DAYS, REASONS, FeatureDrift
from gradus_runtime.contracts.manifest.judgement import VERDICTS, OrderOfService
from gradus_runtime.contracts.manifest.need import Need
from gradus_runtime.contracts.manifest.policy import ARGMAX, POLICIES, TrailingWindow
from gradus_runtime.contracts.manifest.types import Manifest
from gradus_runtime.errors import let_signals_through

__all__ = ["MAX_WINDOW", "check_drift", "check_judgement", "check_order", "check_policy"]

_LABELS = ("fixed_horizon", "triple_barrier", "meta", "column")
_MAX_TEXT = 1000
_MAX_BARS = 100_000
_MAX_POINTS = 1000.0
_MOST_ROWS = 86_400
MAX_WINDOW = 20_000
"""Bars of a trailing window: its scores stand in the manifest."""
_MAX_WEIGHT = 1e6


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


def check_drift(m: Manifest, need: Need) -> None:
    """Check that every feature has alarm levels and a reference, or a reason to have none."""
    if m.drift is None:
        return
    rows = m.drift.rows_per_day
    need(1 <= rows <= _MOST_ROWS, f"rows of a day must be 1 to {_MOST_ROWS}", "drift.rows_per_day", rows)
    need(m.drift.weeks >= 0, "weeks must be at least 0", "drift.weeks", m.drift.weeks)
    named = tuple(f.name for f in m.drift.features)
    rule = "drift must name every feature once, in the order of the features"
    need(named == m.feature_names, rule, "drift.features", named)
    for i, (spec, feature) in enumerate(zip(m.features, m.drift.features, strict=True)):
        path = f"drift.features[{i}]"
        _feature(feature, path, need)
        rule = "a feature with alarm levels must have a histogram, its reference"
        need(not feature.alarms or spec.histogram is not None, rule, path, feature.name)


def _feature(feature: FeatureDrift, path: str, need: Need) -> None:
    alarms = feature.alarms
    if feature.reason is not None:
        rule = f"a reason must be one of {', '.join(REASONS)}"
        need(feature.reason in REASONS, rule, f"{path}.reason", feature.reason)
        rule = "a feature without alarm levels must have no smallest shift"
        nothing = not alarms and feature.shift is None and feature.deviations is None
        need(nothing, rule, path, feature.name)
        return
    rule = f"a feature must have {DAYS} alarm levels above 0 and at most 1, or a reason"
    need(len(alarms) == DAYS and all(0.0 < a <= 1.0 for a in alarms), rule, f"{path}.alarms", alarms)
    for key, value in (("shift", feature.shift), ("deviations", feature.deviations)):
        rule = "the smallest shift must be above 0"
        need(value is not None and value > 0.0, rule, f"{path}.{key}", value)


def check_policy(m: Manifest, need: Need) -> None:
    """Check the policy: known classes, weights for each class, a whole window."""
    policy = m.policy
    if policy is None:
        return
    kinds = [kind for kind in POLICIES if kind != ARGMAX]
    rule = f"a policy must be {' or '.join(kinds)} (argmax is a manifest without one)"
    need(policy.kind in kinds, rule, "policy.kind", policy.kind)
    need(bool(policy.rules), "a policy must have a rule", "policy.rules", policy.rules)
    need.unique((r.action for r in policy.rules), "a policy's action", "policy.rules")
    fallback = m.decision.fallback_action
    for i, each in enumerate(policy.rules):
        path = f"policy.rules[{i}]"
        need(each.action in m.classes, "an action must be a class", f"{path}.action", each.action)
        rule = "a rule must not be for the fallback action, which needs none"
        need(each.action != fallback, rule, f"{path}.action", each.action)
        rule = f"there must be {len(m.classes)} weights, one a class"
        need(len(each.weights) == len(m.classes), rule, f"{path}.weights", each.weights)
        rule = f"a weight must lie between -{_MAX_WEIGHT:g} and {_MAX_WEIGHT:g}"
        for value in (*each.weights, each.threshold):
            need(-_MAX_WEIGHT <= value <= _MAX_WEIGHT, rule, path, value)
        need(any(each.weights), "a rule must have a weight other than 0", f"{path}.weights", each.weights)
    if policy.trailing is not None:
        _trailing(policy.trailing, need)
    share = policy.expected
    rule = "an expected share must lie in [0, 1], or be null"
    need(share is None or 0.0 <= share <= 1.0, rule, "policy.expected", share)
    need.text(policy.sentence, "policy.sentence", _MAX_TEXT)


def _trailing(window: TrailingWindow, need: Need) -> None:
    rule = f"a trailing window must have 2 to {MAX_WINDOW} bars"
    need(2 <= window.bars <= MAX_WINDOW, rule, "policy.trailing.bars", window.bars)
    rule = "a trailing share must lie in (0, 0.5]"
    need(0.0 < window.share <= 0.5, rule, "policy.trailing.share", window.share)
    try:
        data = binascii.a2b_base64(window.scores.encode(), strict_mode=True)
    except (ValueError, binascii.Error) as e:
        let_signals_through(e)
        data = b""
    rule = f"a trailing window must hold {window.bars} scores: float32, little-endian, in base64"
    need(len(data) == 4 * window.bars, rule, "policy.trailing.scores", f"{len(data)} bytes")
    finite = all(map(math.isfinite, struct.unpack(f"<{window.bars}f", data)))
    need(finite, "a score must be finite", "policy.trailing.scores", "not finite")
