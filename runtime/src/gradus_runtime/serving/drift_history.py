"""Drift counts survive restarts and reloads: a journal holds every row, or the bin of every value."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.contracts.names import FALLBACK
from gradus_runtime.errors import GradusError, let_signals_through
from gradus_runtime.journal.line import NO_BIN, DecisionLine
from gradus_runtime.journal.reader import decisions_of
from gradus_runtime.journal.writer import Journal
from gradus_runtime.monitoring.bins import float32_edges
from gradus_runtime.monitoring.drift_counts import DriftCounts
from gradus_runtime.monitoring.drift_report import DriftReport, report
from gradus_runtime.routing.schema import Schema
from gradus_runtime.serving.served_version import ServedVersion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["JournalDrift", "restore_counts", "row_of"]

_BLOCK = 256


def restore_counts(serving: ServedVersion, journal: Journal) -> None:
    """Count what the journal holds of this version, before it serves its first row.

    A journal that cannot be read is passed over: then the counts begin at nothing, as without one.
    """
    if serving.counts is None or journal.folder is None or serving.counts.totals.rows:
        return
    try:
        lines = decisions_of(journal.folder, serving.digest)
        while block := list(islice(lines, _BLOCK)):
            _count(serving.counts, serving.manifest, serving.schema, block)
    except GradusError as e:
        let_signals_through(e)
        return


class JournalDrift:
    """Counts what a journal holds of one version, for a report as `Predictor.drift` gives it.

    Args:
        manifest: Of the version.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._schema = Schema(manifest)
        self._counts = DriftCounts(manifest, self._schema)

    def add(self, lines: Sequence[DecisionLine]) -> None:
        """Count lines of this version."""
        for start in range(0, len(lines), _BLOCK):
            _count(self._counts, self._manifest, self._schema, lines[start : start + _BLOCK])

    def report(self, *, alpha: float = 0.01, rows_per_observation: float = 1.0) -> DriftReport:
        """Compare with training; arguments and errors are those of `Predictor.drift`."""
        return report(
            self._manifest,
            self._schema,
            self._counts,
            alpha=alpha,
            rows_per_observation=rows_per_observation,
        )


def _count(counts: DriftCounts, manifest: Manifest, schema: Schema, lines: Sequence[DecisionLine]) -> None:
    codes = {name: i for i, name in enumerate((*schema.level_names, FALLBACK))}
    rows, levels, labels, confidences = [], [], [], []
    for line in lines:
        row, probabilities = row_of(line, manifest, schema), line.probabilities
        if row is None or line.level not in codes or len(probabilities) != len(schema.classes):
            continue
        rows.append(row)
        levels.append(codes[line.level])
        labels.append(int(probabilities.argmax()))
        confidences.append(probabilities.max())
    if rows:
        counts.block(
            np.array(rows), np.array(levels), np.array(labels, np.intp), np.array(confidences, np.float32)
        )


def row_of(line: DecisionLine, manifest: Manifest, schema: Schema) -> NDArray[np.float32] | None:
    """Return the row of a line, float32 [F], or a row whose values are in the same bins; None where neither.

    The count of drift takes both for the same: it knows no more of a value than its bin.
    """
    if line.values is not None:
        return line.values if len(line.values) == len(schema.names) else None
    if line.bins is None:
        return None
    bins = base64.b64decode(line.bins)
    if len(bins) != len(schema.names):
        return None
    return np.array([_inside(manifest, i, place) for i, place in enumerate(bins)], np.float32)


def _inside(manifest: Manifest, feature: int, place: int) -> float:
    """A float32 in a bin: the last up to its upper edge, which belongs to it; beyond the edges the next."""
    histogram = manifest.features[feature].histogram
    if place == NO_BIN:
        return float("nan")
    edges = () if histogram is None else histogram.edges
    if not edges:
        return 0.0
    upper = float32_edges(edges[min(place, len(edges) - 1) :][:1])[0]
    return float(upper if place < len(edges) else np.nextafter(upper, np.float32(np.inf)))
