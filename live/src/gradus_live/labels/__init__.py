"""Labels: what came of a bar. Each kind declares its reach, the bars ahead that it looks at."""

from gradus_live.labels.kinds import Column, FixedHorizon, LabelRule, Meta, TradeRule, TripleBarrier
from gradus_live.labels.outcome import NO_LABEL, Outcomes, outcomes
from gradus_live.labels.table import from_contract, label_parameters, parse_label, sentence, to_contract

__all__ = [
    "NO_LABEL",
    "Column",
    "FixedHorizon",
    "LabelRule",
    "Meta",
    "Outcomes",
    "TradeRule",
    "TripleBarrier",
    "from_contract",
    "label_parameters",
    "outcomes",
    "parse_label",
    "sentence",
    "to_contract",
]
