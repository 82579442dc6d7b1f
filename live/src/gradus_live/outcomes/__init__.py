"""Outcomes: what came of each decision, by the label that training used and by what trades left."""

from gradus_live.outcomes.file import OutcomeLine, merge_outcomes, read_outcomes, write_outcomes
from gradus_live.outcomes.join import Joined, join

__all__ = ["Joined", "OutcomeLine", "join", "merge_outcomes", "read_outcomes", "write_outcomes"]
