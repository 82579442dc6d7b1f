"""The proof of one model compiled by itself: its library, the interpreter and the graph agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest, Walker
from gradus_convert.graphs import LevelGraph, VotingMember
from gradus_convert.graphs.fixed_point import largest_sum
from gradus_convert.graphs.values import VALUES, exact_values, value_sums
from gradus_convert.parity.bits import BitOracle, check_bits, whole_sums
from gradus_convert.parity.compiled import Compiled, ahead, fewer_library_threads, slices
from gradus_convert.parity.forests import check_forests, some
from gradus_convert.parity.leaves import ProvenForest
from gradus_convert.parity.proof import PROOF_TOLERANCE, judge_leaves
from gradus_convert.parity.proof_counts import ProofCounts
from gradus_convert.readers.native import NativeModel
from gradus_runtime.contracts.graph import LABEL, PROBABILITIES
from gradus_runtime.contracts.manifest import EXACT

__all__ = ["ModelProof", "ProofKind", "allowed_error", "prove_model"]

ProofKind = Literal["full", "quick", "off"]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

RELATIVE = 1e-6
"""Of the largest sum that the leaves can come to: libraries add up in float32, in an order of their own."""

_BOUNDARY_SAMPLE = 5_000
_SINGLE_SAMPLE = 200
_BITS_SAMPLE = 2_000
_QUICK_ROWS = 500


@dataclass(frozen=True, slots=True)
class ModelProof:
    """What was compared, and how it agreed.

    Attributes:
        kind: "full": every threshold and its two float32 neighbours. "quick": some rows on them.
        rows: Rows whose answers were compared with the library's.
        boundary_rows: Rows made for one threshold each.
        leaf_checks: Pairs of a row and a tree whose leaves were compared.
        wrong_leaves: Those that differ; always 0, as a model with one is refused.
        max_difference: The largest difference of a probability or a value.
        tolerance: What it was held to: of probabilities, and of values relative to `max(abs(value), reach)`,
            where reach is the largest sum that the leaves can come to.
        label_changes: Rows, ties apart, whose label differs; always 0.
        ties: Rows whose two best classes are nearer than twice the tolerance.
        bits: "exact" where the answers have the same 32 bits everywhere; otherwise a tolerance.
    """

    kind: ProofKind
    rows: int
    boundary_rows: int
    leaf_checks: int
    wrong_leaves: int
    max_difference: float
    tolerance: float
    label_changes: int
    ties: int
    bits: str


def prove_model(
    native: NativeModel,
    build: Callable[[bool], LevelGraph],
    rows: Float32,
    *,
    kind: ProofKind,
    place: str,
) -> ModelProof:
    """Hold a compiled model against its library.

    Args:
        native: The model.
        build: Makes the graph, with the output `leaves` if asked. Its label is the index of a class.
        rows: float32 [N, F], some finite, others missing what the library lets be missing: rows that are not
            made for a threshold.
        kind: "full" or "quick".
        place: How errors name the model.

    Raises:
        ParityError: A leaf, an answer, a label or, where promised, a bit differs.
    """
    with fewer_library_threads(), np.errstate(all="ignore"):
        return _prove(native, build, rows, kind, place)


def _prove(
    native: NativeModel, build: Callable[[bool], LevelGraph], rows: Float32, kind: ProofKind, place: str
) -> ModelProof:
    findings, forest = ProofCounts(), native.lowered
    if kind == "quick":
        rows = rows[:_QUICK_ROWS]
    X = rows
    if isinstance(forest, Forest):
        proven = [ProvenForest(place, native, forest, 0, Walker(forest))]
        odd, boundary = check_forests(
            proven,
            [native],
            build(True).model_bytes,
            rows,
            findings,
            boundaries=kind == "full",
            single=_SINGLE_SAMPLE,
        )
        judge_leaves(findings, place)
        X = np.concatenate([rows, odd, some(boundary, _BOUNDARY_SAMPLE)])
    published = build(False)
    many = Compiled(published.model_bytes)
    answers = _Values(native, place) if native.task == "values" else _Classes(native, place)
    answers.compare(many, X, 96, findings)
    answers.compare(many, some(X, _SINGLE_SAMPLE), 1, ProofCounts())
    if published.bits == EXACT and isinstance(forest, Forest):
        few = some(X, _BITS_SAMPLE)
        check_bits(answers.bits(forest, few), many.run(few, answers.output)[0], place=place)
    return ModelProof(
        kind,
        findings.probability_rows,
        findings.boundary_rows,
        findings.leaf_checks,
        findings.wrong_leaves,
        findings.max_difference,
        answers.tolerance,
        findings.label_changes,
        findings.ties,
        published.bits,
    )


class _Classes:
    """Probabilities and labels, held to those of the library."""

    output = PROBABILITIES
    tolerance = PROOF_TOLERANCE

    def __init__(self, native: NativeModel, place: str) -> None:
        self._native, self._place = native, place

    def compare(self, graph: Compiled, X: Float32, block: int, findings: ProofCounts) -> None:
        """Compare answers and count.

        Raises:
            ParityError: They differ.
        """
        native = self._native
        parts = ahead(lambda part: graph.run(X[part], PROBABILITIES, LABEL, block=block), slices(len(X)))
        for rows, (said, label) in parts:
            expected = native.probabilities(X[rows])
            difference = np.abs(said.astype(np.float64) - expected)
            worst = float(difference.max(initial=0.0)) if np.isfinite(difference).all() else np.inf
            best = np.sort(expected, axis=1)[:, -2:]
            ties = best[:, 1] - best[:, 0] <= 2 * PROOF_TOLERANCE
            if not worst <= self.tolerance:
                raise ParityError(
                    f"probabilities must be the library's within {self.tolerance:g}",
                    place=f"{self._place}: {_worst(difference, rows)}",
                    value=worst,
                    hint="Report it, with the model.",
                )
            findings.max_difference = max(findings.max_difference, worst)
            findings.label_changes += int((label != self._labels(X[rows], expected))[~ties].sum())
            findings.ties += int(ties.sum())
            findings.probability_rows += len(expected)
        if findings.label_changes:
            raise ParityError(
                "labels must be the library's, ties apart", place=self._place, value=findings.label_changes
            )

    def _labels(self, X: Float32, expected: Float64) -> npt.NDArray[Any]:
        """The index of the class that the library's own `predict` answers."""
        native = self._native
        if native.predict is None or native.labels is None:
            return np.asarray(expected.argmax(axis=1))
        known = {str(label): i for i, label in enumerate(native.labels)}
        said = native.predict(X).reshape(len(X)).tolist()
        return np.array([known.get(str(label), -1) for label in said], np.int64)

    def bits(self, forest: Forest, X: Float32) -> Float32:
        """Return what the graph must give, to the bit."""
        classes = tuple(range(self._native.n_classes))
        oracle = BitOracle([VotingMember("model", 1.0, forest, classes)], len(classes), "soft")
        return oracle.bits(oracle.leaves(X))


class _Values:
    """Values, held to those of the library."""

    output = VALUES
    tolerance = RELATIVE

    def __init__(self, native: NativeModel, place: str) -> None:
        if not isinstance(native.lowered, Forest):
            raise TypeError("a model of values is of trees")
        self._native, self._forest, self._place = native, native.lowered, place

    def compare(self, graph: Compiled, X: Float32, block: int, findings: ProofCounts) -> None:
        """Compare answers and count.

        Raises:
            ParityError: They differ by more than the rounding of float32 can.
        """
        for rows, (said,) in ahead(lambda part: graph.run(X[part], VALUES, block=block), slices(len(X))):
            expected = self._native.probabilities(X[rows])
            difference = np.where(said == expected, 0.0, np.abs(said.astype(np.float64) - expected))
            worst = difference / allowed_error(self._forest, expected)
            if not worst.max(initial=0.0) <= 1.0:
                raise ParityError(
                    f"values must be the library's within {RELATIVE:g} of what its leaves can come to",
                    place=f"{self._place}: {_worst(worst, rows)}",
                    value=float(difference.max()),
                    hint="Report it, with the model.",
                )
            findings.max_difference = max(findings.max_difference, float(difference.max(initial=0.0)))
            findings.probability_rows += len(expected)

    def bits(self, forest: Forest, X: Float32) -> Float32:
        """Return what the graph must give, to the bit."""
        fixed = value_sums(forest)
        return exact_values(whole_sums(forest, fixed.leaves, Walker(forest).leaves(X)), fixed, forest.link)


def _worst(difference: Float64, rows: slice) -> str:
    """Name the row and the output that are furthest off; a number that is none counts as furthest."""
    row, output = np.unravel_index(np.nan_to_num(difference, nan=np.inf).argmax(), difference.shape)
    return f"row {rows.start + int(row)} of the proof, output {int(output)}"


def allowed_error(forest: Forest, expected: Float64) -> Float64:
    """How far float32 sums of the same leaves may be from a library's values, by value."""
    sums = RELATIVE * largest_sum(forest)
    if forest.link == "exp":
        return np.asarray(np.maximum(np.abs(expected) * (2 * np.expm1(sums) + RELATIVE), 1e-30))
    if forest.link == "logistic":
        return np.full(expected.shape, sums / 4 + RELATIVE)
    if forest.link == "square":
        return np.asarray(RELATIVE * np.abs(expected) + 2 * sums * (np.sqrt(np.abs(expected)) + sums))
    return np.full(expected.shape, max(sums, 1e-37))
