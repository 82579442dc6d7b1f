"""From probabilities to an action: the rules of a manifest, and the window of a threshold that moves.

`scoring` decides on a row and on a table with the same bits; `window` keeps the scores of the last bars;
`sides` makes a side of what a meta label's artifact lets through.
"""

from gradus_runtime.policy.scoring import HELD, PolicyRules, below_threshold, rules_of
from gradus_runtime.policy.sides import TradeSides, sides_of
from gradus_runtime.policy.window import ScoreWindow, count_of, shipped_scores, window_of

__all__ = [
    "HELD",
    "PolicyRules",
    "ScoreWindow",
    "TradeSides",
    "below_threshold",
    "count_of",
    "rules_of",
    "shipped_scores",
    "sides_of",
    "window_of",
]
