"""The parity proof: what is published answers as the libraries do, or nothing is published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest, Walker
from gradus_convert.graphs import LevelGraph, VotingMember
from gradus_convert.graphs.types import Vote
from gradus_convert.parity.bits import BitOracle, check_bits
from gradus_convert.parity.compiled import Compiled, SingleRows, ahead, fewer_library_threads, slices
from gradus_convert.parity.forests import check_forests, some
from gradus_convert.parity.leaves import ProvenForest
from gradus_convert.parity.native_votes import MemberAnswers, native_vote
from gradus_convert.parity.proof_counts import ProofCounts
from gradus_convert.parity.third_opinion import ThirdOpinion, ask
from gradus_convert.readers.native import NativeModel
from gradus_runtime.contracts.graph import LABEL, PROBABILITIES
from gradus_runtime.contracts.manifest import EXACT, Parity

__all__ = ["PROOF_TOLERANCE", "LevelMember", "Proof", "judge_leaves", "prove_level"]

PROOF_TOLERANCE = 1e-6
_BOUNDARY_SAMPLE = 5_000
_SINGLE_SAMPLE = 500
_BITS_SAMPLE = 2_000
_ANSWERS = 6_144
"""Rows the libraries are asked for at once: a forest of scikit-learn takes time for each tree of a call."""
_THIRD_SAMPLE = 2_000
_QUICK_ROWS = 2_000

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LevelMember:
    """A member as it votes and as its library holds it."""

    voting: VotingMember
    native: NativeModel


@dataclass(frozen=True, slots=True)
class _Vote:
    """How a level votes."""

    n_classes: int
    kind: Vote
    temperature: float | None


@dataclass(frozen=True, slots=True)
class Proof:
    """A level that passed: the graph to publish, the figures, and what the stock converters say."""

    graph: LevelGraph
    parity: Parity
    third: tuple[ThirdOpinion, ...]


def prove_level(
    members: Sequence[LevelMember],
    build: Callable[[bool], LevelGraph],
    rows: Float32,
    *,
    n_classes: int,
    vote: Vote,
    place: str,
    temperature: float | None = None,
    third_opinion: bool = False,
    quick: bool = False,
) -> Proof:
    """Build a level's graph and hold it against its members.

    Leaves of every tree are compared on `rows`, on odd values, and on every threshold and its float32
    neighbours; probabilities and labels on `rows` and, if all members are trees, on some of the others. Both
    are compared again on some rows asked for one by one, as a bot does: for those a graph may have a part
    that takes another way to the same leaves. An exact level is held to the bits that `bits` expects.

    Args:
        members: In the order of the graph.
        build: Makes the graph, with the output `leaves` if asked.
        rows: float32 [N, F], finite.
        n_classes: Of the level.
        vote: "soft" or "hard".
        place: How errors name the level.
        temperature: Of the level; None for none.
        third_opinion: Whether to ask the stock converters as well, on rows on thresholds and others.
        quick: Leave the thresholds out, and take some of `rows` only.

    Raises:
        ParityError: A leaf, a probability, a label or, where promised, a bit differs.
    """
    with (
        fewer_library_threads(),
        np.errstate(all="ignore"),  # libraries add up the largest floats when they look for NaN
    ):
        kind = _Vote(n_classes, vote, temperature)
        few = some(rows, _QUICK_ROWS) if quick else rows
        return _prove(members, build, few, kind, place, third_opinion=third_opinion, thresholds=not quick)


def _prove(
    members: Sequence[LevelMember],
    build: Callable[[bool], LevelGraph],
    rows: Float32,
    vote: _Vote,
    place: str,
    *,
    third_opinion: bool,
    thresholds: bool,
) -> Proof:
    findings = ProofCounts()
    proven = _with_trees(members)
    extra = boundary = rows[:0]
    if proven:
        odd, boundary = check_forests(
            proven,
            [m.native for m in members],
            build(True).model_bytes,
            rows,
            findings,
            boundaries=thresholds,
            single=_SINGLE_SAMPLE,
        )
        if len(proven) == len(members):
            extra = np.concatenate([odd, some(boundary, _BOUNDARY_SAMPLE)])
        judge_leaves(findings, place)
    published = build(False)
    many, single = Compiled(published.model_bytes), SingleRows(published)
    X = np.concatenate([rows, extra])
    _check_answers(members, lambda part: many.run(part, PROBABILITIES, LABEL), X, vote, findings)
    again = ProofCounts()  # of rows that are counted already
    _check_answers(members, single.run, some(X, _SINGLE_SAMPLE), vote, again)
    findings.max_difference = max(findings.max_difference, again.max_difference)
    findings.label_changes += again.label_changes
    _judge_answers(findings, place)
    if len(proven) == len(members):
        oracle = BitOracle([m.voting for m in members], vote.n_classes, vote.kind, vote.temperature)
        findings.max_error = _check_bits(oracle, published, many, single, some(X, _BITS_SAMPLE), place)
    sample = np.concatenate([rows[:_THIRD_SAMPLE], some(boundary, _BOUNDARY_SAMPLE)])
    third = tuple(ask(m.voting.name, m.native, sample) for m in members) if third_opinion else ()
    return Proof(published, _parity(findings), third)


def _check_bits(
    oracle: BitOracle, published: LevelGraph, many: Compiled, single: SingleRows, X: Float32, place: str
) -> float:
    """Hold an exact level to its bits; return how far any level of trees is from sums in float64."""
    leaves, (said,) = oracle.leaves(X), many.run(X, PROBABILITIES)
    if published.bits == EXACT:
        check_bits(oracle.bits(leaves), said, place=f"{place}: many rows")
        few = some(X, _SINGLE_SAMPLE)
        check_bits(oracle.bits(oracle.leaves(few)), single.run(few)[0], place=f"{place}: single rows")
    return oracle.error(leaves, said)


def _parity(findings: ProofCounts) -> Parity:
    return Parity(
        rows=findings.probability_rows,
        boundary_rows=findings.boundary_rows,
        leaf_checks=findings.leaf_checks,
        wrong_leaves=findings.wrong_leaves,
        max_difference=findings.max_difference,
        label_changes=findings.label_changes,
        ties=findings.ties,
        max_error=findings.max_error,
    )


def _with_trees(members: Sequence[LevelMember]) -> list[ProvenForest]:
    proven, first = [], 0
    for m in members:
        if isinstance(m.voting.model, Forest):
            forest = m.voting.model
            proven.append(ProvenForest(m.voting.name, m.native, forest, first, Walker(forest)))
            first += forest.n_trees
    return proven


def _check_answers(
    members: Sequence[LevelMember],
    answer: Callable[[Float32], Sequence[npt.NDArray[np.generic]]],
    X: Float32,
    vote: _Vote,
    findings: ProofCounts,
) -> None:
    """Compare what `answer` gives, probabilities and labels, with the libraries' vote."""
    answers = ahead(lambda part: answer(X[part]), slices(len(X), _ANSWERS))
    for rows, (probabilities, label) in answers:
        ballots = [
            MemberAnswers(m.native.probabilities(X[rows]), m.voting.classes, m.voting.weight) for m in members
        ]
        expected, ties = native_vote(ballots, vote.n_classes, vote.kind, PROOF_TOLERANCE, vote.temperature)
        difference = np.abs(probabilities.astype(np.float64) - expected).max(axis=1)
        counted = difference[~ties] if vote.kind == "hard" else difference
        worst = float(counted.max(initial=0.0)) if np.isfinite(counted).all() else np.inf
        findings.max_difference = max(findings.max_difference, worst)
        findings.label_changes += int((label != expected.argmax(axis=1))[~ties].sum())
        findings.ties += int(ties.sum())
        findings.probability_rows += len(expected)


def judge_leaves(findings: ProofCounts, place: str) -> None:
    """Raise if a leaf differs.

    Raises:
        ParityError: It names the first.
    """
    if findings.wrong_leaves:
        raise ParityError(
            "every tree must end at the leaf of its library",
            place=place,
            value=str(findings.first_wrong),
            hint=f"{findings.wrong_leaves} of {findings.leaf_checks} differ. Report it, with the model.",
        )


def _judge_answers(findings: ProofCounts, place: str) -> None:
    if not findings.max_difference <= PROOF_TOLERANCE:
        raise ParityError(
            f"probabilities must agree with the libraries within {PROOF_TOLERANCE:g}",
            place=place,
            value=findings.max_difference,
            hint="A member that is no tree computes in float32 here: scale its inputs, or leave it out.",
        )
    if findings.label_changes:
        raise ParityError(
            "the label must be that of the libraries, ties apart", place=place, value=findings.label_changes
        )
