"""The journal: a line for each decision, from which it can be reproduced; written whole or not at all.

docs/journal.md describes the line. A journal never changes an answer: what fails here is said by `health()`.
"""

from gradus_runtime.journal.follower import Follower
from gradus_runtime.journal.line import DecisionLine, EventLine, iso_moment
from gradus_runtime.journal.reader import JournalContent, read_journal
from gradus_runtime.journal.writer import Journal, open_journal

__all__ = [
    "DecisionLine",
    "EventLine",
    "Follower",
    "Journal",
    "JournalContent",
    "iso_moment",
    "open_journal",
    "read_journal",
]
