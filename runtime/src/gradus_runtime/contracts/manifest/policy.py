"""How the probabilities of a row become its action, as the manifest says it."""

from gradus_runtime.records import dataclass

__all__ = ["ARGMAX", "POLICIES", "Policy", "PolicyRule", "TrailingWindow"]

ARGMAX = "argmax"
POLICIES = (ARGMAX, "thresholds", "expected_value")


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """What it takes to answer with a class.

    Attributes:
        action: The class.
        weights: By class. The score of a row is the sum of weight times probability, added up in float64 in
            the order of the classes. With "thresholds" it compares probabilities (P(BUY) - P(SELL)); with
            "expected_value" the weights are what the trade left after costs, on average, as a log return,
            where each class came.
        threshold: The least score.
    """

    action: str
    weights: tuple[float, ...]
    threshold: float


@dataclass(frozen=True, slots=True)
class TrailingWindow:
    """A threshold that moves with the scores, so that about the same share of bars become calls.

    The score of a row is the largest among its rules. It must also be above the (k+1)-th largest score of the
    `bars` bars before it, k = `share` times `bars`, at least 1. A model that says the same of every row is
    above nothing.

    Attributes:
        share: Of the window's bars, in (0, 0.5].
        bars: Length of the window.
        scores: What the window holds before the first decision: `bars` scores, the newest last, as float32,
            little-endian, in base64.
    """

    share: float
    bars: int
    scores: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy other than the most probable class.

    Among the rules whose thresholds a row reaches, the one with the largest score gives the action; the
    first of them where several are equal. A row that reaches none gets the fallback action.

    Attributes:
        kind: "thresholds" or "expected_value"; "argmax" is a manifest without a policy.
        rules: A class each.
        trailing: A threshold that moves; None where all stand still.
        expected: The share of rows that became calls when it was chosen; None where nobody measured it.
        sentence: How it was chosen, for people.
    """

    kind: str
    rules: tuple[PolicyRule, ...]
    trailing: TrailingWindow | None
    expected: float | None
    sentence: str
