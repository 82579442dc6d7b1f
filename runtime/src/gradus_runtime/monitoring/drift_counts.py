"""What `drift()` is computed from: counts whose memory does not grow with the rows served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.contracts.manifest.drift import DAYS
from gradus_runtime.errors import let_signals_through
from gradus_runtime.lock import SafeLock
from gradus_runtime.monitoring.bins import Bins, Parts
from gradus_runtime.records import dataclass
from gradus_runtime.routing.schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BUFFER_ROWS", "CONFIDENCE_BINS", "DriftCounts", "Totals"]

CONFIDENCE_BINS = 20
"""Bins of equal width over [0, 1]."""

BUFFER_ROWS = 256
"""Single rows are kept so long and counted together: one by one would cost more than scoring them."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of rows. A value: counting more rows gives another one.

    Attributes:
        rows: Number of rows counted.
        features: By feature, int64 [bins]; None where the manifest has no histogram.
        bins: The same side by side, int64 [W].
        days: The latest complete days of rows, at most 7, int64 [W] each; none without alarm levels.
        today: Rows since, int64 [W].
        today_rows: How many they are.
        classes: int64 [L, C], decisions by level and class; before the confidence threshold.
        levels: int64 [L + 1], rows by the level that served; the last is the fallback.
        missing: int64 [L, G], rows that a level could not serve as they lacked something of a group.
        out: int64 [L], rows that a level could have served but did not: out of service, or refused.
        confidences: int64 [CONFIDENCE_BINS], of rows that a level served.
        confidence_sum: Their sum.
    """

    rows: int
    features: tuple[NDArray[np.int64] | None, ...]
    bins: NDArray[np.int64]
    days: tuple[NDArray[np.int64], ...]
    today: NDArray[np.int64]
    today_rows: int
    classes: NDArray[np.int64]
    levels: NDArray[np.int64]
    missing: NDArray[np.int64]
    out: NDArray[np.int64]
    confidences: NDArray[np.int64]
    confidence_sum: float


class DriftCounts:
    """Counts of what was served by one version. Safe for any number of threads, signal handlers and forks.

    Attributes:
        totals: What was counted.
        held: Rows that are not counted yet, as `row` takes them. Who appends, as `row` does, calls `settle`
            when they are `BUFFER_ROWS`.
    """

    def __init__(self, manifest: Manifest, schema: Schema) -> None:
        count, classes = len(schema.levels), len(schema.classes)
        self._bins = Bins(manifest)
        self._rows_per_day = 0 if manifest.drift is None else manifest.drift.rows_per_day
        self._groups = [np.array(schema.columns_of(mask), np.intp) for mask in schema.groups.values()]
        self._level_groups = np.array(
            [[bool(mask & plan.mask) for mask in schema.groups.values()] for plan in schema.levels]
        )
        self.totals = Totals(
            rows=0,
            features=self._bins.split(self._bins.nothing),
            bins=self._bins.nothing,
            days=(),
            today=self._bins.nothing,
            today_rows=0,
            classes=np.zeros((count, classes), np.int64),
            levels=np.zeros(count + 1, np.int64),
            missing=np.zeros((count, len(self._groups)), np.int64),
            out=np.zeros(count, np.int64),
            confidences=np.zeros(CONFIDENCE_BINS, np.int64),
            confidence_sum=0.0,
        )
        self.held: list[tuple[bytes, int, int, float]] = []
        self._lock = SafeLock()
        self._counting = False

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
        parts: Parts | None = None,
    ) -> None:
        """Count n rows.

        Args:
            values: float32 [n, F], the full vectors; NaN where a value was missing.
            codes: [n], as `row` takes them.
            labels: [n], likewise.
            confidences: [n], likewise.
            parts: What has counted `values` by bin already, whole or in part; None if nothing has.
        """
        with self._lock, np.errstate(all="ignore"):
            if self._counting:  # a signal handler interrupted this thread while it counts
                facts = zip(codes.tolist(), labels.tolist(), confidences.tolist(), strict=True)
                self.held += [(row.tobytes(), *fact) for row, fact in zip(values, facts, strict=True)]
                return
            self._counting = True
            try:
                self.totals = self._with(values, codes, labels, confidences, parts)
            finally:
                self._counting = False

    def parts_of(self, values: NDArray[np.float32]) -> Parts:
        """Return what counts rows [n, F] by bin in parts, in any thread, before `block` counts them."""
        return Parts(self._bins, values)

    def settle(self) -> Totals:
        """Count what is still held back; return the counts, which are complete then.

        Within a signal handler that interrupted this thread while it counts, they are those before.
        """
        with self._lock, np.errstate(all="ignore"):
            count = len(self.held)
            if self._counting or not count:
                return self.totals
            self._counting = True
            try:
                values, codes, labels, confidences = zip(*self.held[:count], strict=True)
                totals = self._with(
                    np.frombuffer(b"".join(values), np.float32).reshape(count, -1),
                    np.array(codes, np.intp),
                    np.array(labels, np.intp),
                    np.array(confidences, np.float32),
                )
                held = self.held
                self.totals = totals  # no call stands between these two: no signal handler gets in
                del held[:count]
            except MemoryError as e:
                let_signals_through(e)
                del self.held[:count]  # they are not counted: an answer needs no counts
            finally:
                self._counting = False
            return self.totals

    def latest(self, totals: Totals) -> tuple[int, tuple[NDArray[np.int64] | None, ...]]:
        """Return how many complete days of rows there are, at most 7, and their counts by feature."""
        return len(totals.days), self._bins.split(sum(totals.days, self._bins.nothing))

    def after_fork(self) -> None:
        """In a forked child: make a new lock."""
        self._lock = SafeLock()
        self._counting = False

    def _with(
        self,
        values: NDArray[np.float32],
        codes: NDArray[Any],
        labels: NDArray[np.intp],
        confidences: NDArray[np.float32],
        parts: Parts | None = None,
    ) -> Totals:
        """Return the totals with these rows counted."""
        before = self.totals
        bins = None if parts is None else parts.total()
        if bins is None:
            bins = self._bins.of(values)
        counted = before.bins + bins
        days, today, today_rows = self._days(before, values, bins)
        bottom = len(before.out)
        served = codes < bottom
        flat = codes[served].astype(np.intp) * before.classes.shape[1] + labels[served]
        by_class = np.bincount(flat, minlength=before.classes.size).reshape(before.classes.shape)
        shades = np.minimum((confidences[served] * CONFIDENCE_BINS).astype(np.intp), CONFIDENCE_BINS - 1)
        below = codes > 0
        missing, out = self._steps(np.isfinite(values[below]), codes[below])
        return Totals(
            rows=before.rows + len(values),
            features=self._bins.split(counted),
            bins=counted,
            days=days,
            today=today,
            today_rows=today_rows,
            classes=before.classes + by_class,
            levels=before.levels + np.bincount(codes, minlength=bottom + 1),
            missing=before.missing + missing,
            out=before.out + out,
            confidences=before.confidences + np.bincount(shades, minlength=CONFIDENCE_BINS),
            confidence_sum=before.confidence_sum + float(confidences[served].sum(dtype=np.float64)),
        )

    def _days(
        self, before: Totals, values: NDArray[np.float32], bins: NDArray[np.int64]
    ) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.int64], int]:
        """Cut rows, whose counts are `bins`, into days.

        Returns:
            The latest complete ones, the counts since, and of how many rows.
        """
        days, today, filled = before.days, before.today, before.today_rows
        if not self._rows_per_day:
            return days, today, filled
        start, end, arranged = 0, len(values), None
        beyond = (filled + end) // self._rows_per_day - DAYS
        if beyond > 0:  # days that these rows fill, and that are not among the latest
            start, today, filled = beyond * self._rows_per_day - filled, self._bins.nothing, 0
        while start < end:
            stop = min(end, start + self._rows_per_day - filled)
            if stop - start == end:
                today = today + bins
            else:
                if arranged is None:
                    arranged = self._bins.arrange(values, np.isfinite(values))
                today = today + self._bins.count(arranged[:, start:stop])
            filled += stop - start
            start = stop
            if filled == self._rows_per_day:
                days, today, filled = (*days, today)[-DAYS:], self._bins.nothing, 0
        return days, today, filled

    def _steps(
        self, usable: NDArray[np.bool_], codes: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count why rows were not served by the levels above: `missing` and `out` of these rows."""
        missing, out = np.zeros_like(self.totals.missing), np.zeros_like(self.totals.out)
        if len(codes):
            lacks = np.stack([~usable[:, columns].all(axis=1) for columns in self._groups], axis=1)
            for level, groups in enumerate(self._level_groups):
                passed = codes > level
                why = lacks[passed] & groups
                missing[level] = why.sum(axis=0)
                out[level] = int((~why.any(axis=1)).sum())
        return missing, out
