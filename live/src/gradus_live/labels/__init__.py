"""Labels: what came of a bar. Each kind declares its reach, the bars ahead that it looks at."""

from gradus_live.labels.kinds import Column, FixedHorizon, LabelRule, Meta, TradeRule, TripleBarrier
from gradus_live.labels.outcome import NO_LABEL, Outcomes, outcomes
from gradus_live.labels.table import parameters_of, parse_label, sentence

__all__ = [
    "NO_LABEL",
    "Column",
    "FixedHorizon",
    "LabelRule",
    "Meta",
    "Outcomes",
    "TradeRule",
    "TripleBarrier",
    "outcomes",
    "parameters_of",
    "parse_label",
    "sentence",
]
