"""The leaves of all members with trees, held together on every row that a proof has or makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gradus_convert.parity.compiled import Compiled
from gradus_convert.parity.leaves import (
    ProvenForest,
    check_boundaries,
    check_leaves_of_rows,
    check_single_rows,
)
from gradus_convert.parity.ordinary_rows import special_rows
from gradus_convert.parity.proof_counts import ProofCounts
from gradus_convert.parity.regions import Domain, critical_values
from gradus_convert.readers.native import NativeModel

__all__ = ["check_forests", "some"]

_WHOLE_SAMPLE = 1_000

Float32 = npt.NDArray[np.float32]


def check_forests(
    members: Sequence[ProvenForest],
    natives: Sequence[NativeModel],
    model_bytes: bytes,
    rows: Float32,
    findings: ProofCounts,
    *,
    boundaries: bool,
    single: int,
) -> tuple[Float32, Float32]:
    """Compare the leaves of library, interpreter and graph.

    Args:
        members: Those with trees.
        natives: All members, which say what rows may hold.
        model_bytes: The graph's file, with the output `leaves`.
        rows: float32 [N, F], some of them finite.
        findings: Added to.
        boundaries: Whether to make rows for every threshold.
        single: About how many rows are asked for one by one, too.

    Returns:
        Rows of odd values, and some of those for thresholds: float32 [N, F] each.
    """
    domain, graph = _domain(natives), Compiled(model_bytes)
    odd = special_rows(rows, _further_values(members, domain))
    check_leaves_of_rows(members, graph, np.concatenate([rows, odd]), findings)
    boundary = rows[:0]
    if boundaries:
        source = rows[np.isfinite(rows).all(axis=1)]
        boundary = check_boundaries(members, graph, source, findings, model_bytes=model_bytes, domain=domain)
        if any(m.forest.views for m in members):
            check_leaves_of_rows(members, graph, some(boundary, _WHOLE_SAMPLE), findings)
    check_single_rows(members, graph, some(np.concatenate([odd, boundary]), single), findings)
    return odd, boundary


def some(rows: Float32, count: int) -> Float32:
    """Sample about `count` rows, evenly spaced."""
    return rows[:: max(1, len(rows) // count)]


def _domain(natives: Sequence[NativeModel]) -> Domain:
    """What every member takes."""
    nowhere = np.zeros(natives[0].lowered.n_features, np.bool_)
    missing = [nowhere if n.missing is None else n.missing for n in natives]
    infinite = [nowhere if n.infinite is None else n.infinite for n in natives]
    landmarks: dict[int, list[float]] = {}
    for n in natives:
        for column, values in n.landmarks.items():
            landmarks.setdefault(column, []).extend(values)
    return Domain(np.logical_and.reduce(missing), np.logical_and.reduce(infinite), landmarks)


def _further_values(members: Sequence[ProvenForest], domain: Domain) -> list[Float32]:
    """For each column, the values at which the views of any member differ from it."""
    each = [critical_values(m.forest, domain) for m in members]
    joined = [np.concatenate(values) for values in zip(*each, strict=True)]
    return [np.unique(values.view(np.uint32)).view(np.float32) for values in joined]
