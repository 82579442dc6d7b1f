"""From probabilities to an action: the rules of a manifest, and the window of a threshold that moves.

`scoring` decides on a row and on a table with the same bits; `sides` makes a side of what a meta label's
artifact lets through; `window`, imported where a threshold moves, keeps the scores of the last bars.
"""

from gradus_runtime.policy.scoring import HELD, PolicyRules, below_threshold, rules_of
from gradus_runtime.policy.sides import TradeSides, sides_of

__all__ = [
    "HELD",
    "PolicyRules",
    "TradeSides",
    "below_threshold",
    "rules_of",
    "sides_of",
]
