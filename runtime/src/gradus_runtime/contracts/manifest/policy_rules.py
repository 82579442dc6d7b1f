"""What must hold in a policy. Each message names its key path."""

from __future__ import annotations

import binascii
import math
import struct

from gradus_runtime.contracts.manifest.judgement_rules import Need
from gradus_runtime.contracts.manifest.policy import ARGMAX, POLICIES, TrailingWindow
from gradus_runtime.contracts.manifest.types import Manifest
from gradus_runtime.errors import let_signals_through

__all__ = ["MAX_WINDOW", "check_policy"]

MAX_WINDOW = 20_000
"""Bars of a trailing window: its scores stand in the manifest."""
_MAX_WEIGHT = 1e6
_MAX_TEXT = 1000


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
