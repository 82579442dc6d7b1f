"""A threshold that moves survives restarts: a journal holds the scores of the bars that were decided."""

from __future__ import annotations

from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.journal.reader import decisions_of
from gradus_runtime.journal.writer import Journal
from gradus_runtime.serving.served_version import ServedVersion

__all__ = ["restore_window"]


def restore_window(serving: ServedVersion, journal: Journal) -> None:
    """Take in what the journal holds of this version, before it serves its first row.

    A journal that cannot be read is passed over: then the window begins with what training shipped.
    """
    rules, window = serving.rules, serving.window
    if rules is None or window is None or journal.folder is None:
        return
    classes, scores = len(serving.schema.classes), []
    try:
        for line in decisions_of(journal.folder, serving.digest):
            bar, probabilities = line.bar_ms, line.probabilities.tolist()
            if bar is not None and line.level != FALLBACK and len(probabilities) == classes:
                scores.append((bar, rules.choose(probabilities)[1]))
    except GradusError as e:
        let_signals_through(e)
        return
    window.add(sorted(scores))
