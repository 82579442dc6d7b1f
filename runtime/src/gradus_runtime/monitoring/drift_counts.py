"""What `drift()` is computed from: counts whose memory does not grow with the rows served."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.routing.schema import Schema

__all__ = ["BUFFER_ROWS", "CONFIDENCE_BINS", "DriftCounts"]

CONFIDENCE_BINS = 20
"""Bins of equal width over [0, 1]."""

BUFFER_ROWS = 256
"""Single rows are kept so long and counted together: one by one would cost more than scoring them."""


class DriftCounts:
    """Counts of what was served by one version. Safe for any number of threads.

    Attributes:
        rows: Number of rows counted.
        features: By feature, int64 [bins]; None where the manifest has no histogram.
        classes: int64 [L, C], decisions by level and class; before the confidence threshold.
        levels: int64 [L + 1], rows by the level that served; the last is the fallback.
        missing: int64 [L, G], rows that a level could not serve as they lacked something of a group.
        out: int64 [L], rows that a level could have served but did not: out of service, or refused.
        confidences: int64 [CONFIDENCE_BINS], of rows that a level served.
        confidence_sum: Their sum.
        held: Rows that are not counted yet, as `row` takes them. Who appends, as `row` does, calls `settle`
            when they are `BUFFER_ROWS`.
    """

    def __init__(self, manifest: Manifest, schema: Schema) -> None:
        count, classes = len(schema.levels), len(schema.classes)
        self._edges = [
            None if f.histogram is None else np.asarray(f.histogram.edges, np.float64)
            for f in manifest.features
        ]
        self._groups = [np.array(schema.columns_of(mask), np.intp) for mask in schema.groups.values()]
        self._level_groups = np.array(
            [[bool(mask & plan.mask) for mask in schema.groups.values()] for plan in schema.levels]
        )
        self.rows = 0
        self.features = [None if e is None else np.zeros(len(e) + 1, np.int64) for e in self._edges]
        self.classes = np.zeros((count, classes), np.int64)
        self.levels = np.zeros(count + 1, np.int64)
        self.missing = np.zeros((count, len(self._groups)), np.int64)
        self.out = np.zeros(count, np.int64)
        self.confidences = np.zeros(CONFIDENCE_BINS, np.int64)
        self.confidence_sum = 0.0
        self._lock = threading.Lock()
        self.held: deque[tuple[bytes, int, int, float]] = deque()  # whose ends need no lock

    def row(self, values: bytes, code: int, label: int, confidence: float) -> None:
        """Count one row.

        Args:
            values: The full vector as float32 bytes; NaN where a value was missing.
            code: Index of the level that served; the number of levels for the fallback.
            label: Index of the most probable class; ignored for the fallback.
            confidence: Its probability.
        """
        self.held.append((values, code, label, confidence))
        if len(self.held) >= BUFFER_ROWS:
            self.settle()

    def block(
        self,
        values: NDArray[np.float32],
        codes: NDArray[Any],
        labels: NDArray[np.intp],
        confidences: NDArray[np.float32],
    ) -> None:
        """Count rows [n, F]; arguments as for `row`, [n]."""
        with self._lock:
            self._count(values, codes, labels, confidences)

    def settle(self) -> None:
        """Count what is still held back, so that the counts are complete."""
        with self._lock:
            held = [self.held.popleft() for _ in range(len(self.held))]  # only here, so no fewer than that
            if not held:
                return
            values, codes, labels, confidences = zip(*held, strict=True)
            self._count(
                np.frombuffer(b"".join(values), np.float32).reshape(len(values), -1),
                np.array(codes, np.intp),
                np.array(labels, np.intp),
                np.array(confidences, np.float32),
            )

    def _count(
        self,
        values: NDArray[np.float32],
        codes: NDArray[Any],
        labels: NDArray[np.intp],
        confidences: NDArray[np.float32],
    ) -> None:
        self.rows += len(values)
        usable = np.isfinite(values)
        full = bool(usable.all())
        for i, edges in enumerate(self._edges):
            counts = self.features[i]
            if edges is None or counts is None:
                continue
            column = values[:, i] if full else values[usable[:, i], i]
            counts += np.bincount(np.searchsorted(edges, column, side="left"), minlength=len(counts))
        bottom = len(self.out)
        self.levels += np.bincount(codes, minlength=bottom + 1)
        served = codes < bottom
        flat = codes[served].astype(np.intp) * self.classes.shape[1] + labels[served]
        self.classes += np.bincount(flat, minlength=self.classes.size).reshape(self.classes.shape)
        bins = np.minimum((confidences[served] * CONFIDENCE_BINS).astype(np.intp), CONFIDENCE_BINS - 1)
        self.confidences += np.bincount(bins, minlength=CONFIDENCE_BINS)
        self.confidence_sum += float(confidences[served].sum(dtype=np.float64))
        below = codes > 0
        if below.any():
            self._count_steps(usable[below], codes[below])

    def _count_steps(self, usable: NDArray[np.bool_], codes: NDArray[Any]) -> None:
        lacks = np.stack([~usable[:, columns].all(axis=1) for columns in self._groups], axis=1)
        for level, groups in enumerate(self._level_groups):
            passed = codes > level
            why = lacks[passed] & groups
            self.missing[level] += why.sum(axis=0)
            self.out[level] += int((~why.any(axis=1)).sum())
