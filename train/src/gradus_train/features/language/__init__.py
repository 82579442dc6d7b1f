"""The language of feature expressions: text to shared nodes. It knows nothing of ONNX and nothing of files.

An expression is causal by construction: there is no way to write a value of a later bar.
"""

from gradus_train.features.language.builder import OpenWeek
from gradus_train.features.language.nodes import (
    BARS,
    BarClock,
    Dates,
    Domain,
    Longer,
    Node,
    RowsNeeded,
    Since,
)
from gradus_train.features.language.program import CALENDAR, Program

__all__ = [
    "BARS",
    "CALENDAR",
    "BarClock",
    "Dates",
    "Domain",
    "Longer",
    "Node",
    "OpenWeek",
    "Program",
    "RowsNeeded",
    "Since",
]
