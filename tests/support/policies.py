"""Policies for tests, and the answer of one in plain Python."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gradus_runtime.contracts.manifest import Manifest, Policy, PolicyRule, TrailingWindow

CLASSES = ("SELL", "HOLD", "BUY")


def tilt(threshold: float, trailing: TrailingWindow | None = None) -> Policy:
    """Calls where P(BUY) and P(SELL) differ by a threshold."""
    rules = (
        PolicyRule("SELL", (1.0, 0.0, -1.0), threshold),
        PolicyRule("BUY", (-1.0, 0.0, 1.0), threshold),
    )
    return Policy("thresholds", rules, trailing, 0.1, "for a test")


def window(scores: Sequence[float], share: float) -> TrailingWindow:
    """A window that holds these scores, the newest last."""
    data = np.asarray(scores, "<f4").tobytes()
    return TrailingWindow(share, len(scores), base64.b64encode(data).decode())


def with_policy(policy: Policy | None) -> Callable[[Manifest], Manifest]:
    """A change of the manifest, for `golden.variant`."""
    return lambda manifest: replace(manifest, policy=policy)


def expected(
    policy: Policy, probabilities: Sequence[float], fallback: str = "HOLD", cutoff: float = -np.inf
) -> tuple[str, float]:
    """The action and the largest score, as docs/policy.md has them, by Python's own floats."""
    best, action, top = -np.inf, fallback, -np.inf
    for rule in policy.rules:
        score = 0.0
        for at, weight in enumerate(rule.weights):
            score = score + weight * float(probabilities[at])
        top = max(top, score)
        if score >= rule.threshold and score > cutoff and score > best:
            best, action = score, rule.action
    return action, top
