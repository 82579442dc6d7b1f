"""One level: its graph, proved, and what the manifest says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

import numpy as np
import numpy.typing as npt

from gradus_convert.artifact.spec import ArtifactSpec, LevelContent, MemberSpec
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import LevelGraph, VotingMember, build_level
from gradus_convert.graphs.types import Vote
from gradus_convert.parity import LevelMember, Proof, prove_level
from gradus_convert.parity.bits import BitOracle
from gradus_convert.parity.native_votes import MemberAnswers, native_vote
from gradus_runtime.contracts.manifest import EXACT, Level, Member, Parity
from gradus_runtime.contracts.names import level_file
from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted

__all__ = ["NO_PARITY", "compile_level", "describe_level", "golden_answers", "library_answers"]

NO_PARITY = Parity(0, 0, 0, 0, 0.0, 0, 0, None)

Float32 = npt.NDArray[np.float32]


def compile_level(
    spec: ArtifactSpec, level: LevelContent, rows: Float32, metadata: Mapping[str, str]
) -> Proof:
    """Compile a level and prove it.

    Args:
        spec: The artifact.
        level: One of its levels.
        rows: float32 [N, F of the level], finite: what the proof is made on, thresholds apart.
        metadata: Goes into the graph.

    Raises:
        DataError: The level does not fit the feature order or the classes.
        InexactModelError: A member has no exact form.
        ParityError: The proof failed.
    """
    names = spec.order.level_features(level.name)
    _check(spec, level, len(names))
    voting = [VotingMember(m.name, m.weight, m.native.lowered, m.classes) for m in level.members]

    def compiled(leaves: bool) -> LevelGraph:
        return build_level(
            voting,
            names,
            spec.classes,
            encoding=spec.encoding,
            prefer_exact=True,
            vote=_vote(level),
            temperature=level.temperature,
            metadata=metadata,
            leaves=leaves,
        )

    members = [LevelMember(v, m.native) for v, m in zip(voting, level.members, strict=True)]
    return prove_level(
        members,
        compiled,
        rows,
        n_classes=len(spec.classes),
        vote=_vote(level),
        place=level.name,
        temperature=level.temperature,
        third_opinion=spec.third_opinion and level is spec.levels[0],
        quick=spec.quick_proof,
    )


def library_answers(spec: ArtifactSpec, level: LevelContent, rows: Float32) -> Float32:
    """What the libraries say of complete rows: float32 [N, C]."""
    ballots = [MemberAnswers(m.native.probabilities(rows), m.classes, m.weight) for m in level.members]
    said, _ = native_vote(ballots, len(spec.classes), level.vote, 0.0, level.temperature)
    return said.astype(np.float32)


def golden_answers(spec: ArtifactSpec, level: LevelContent, built: Proof, rows: Float32) -> Float32:
    """What complete rows must be answered: float32 [N, C].

    If the level is exact, to the bit, which the libraries cannot say; otherwise what they say.
    """
    if built.graph.bits != EXACT:
        return library_answers(spec, level, rows)
    voting = [VotingMember(m.name, m.weight, m.native.lowered, m.classes) for m in level.members]
    oracle = BitOracle(voting, len(spec.classes), _vote(level), level.temperature)
    return oracle.bits(oracle.leaves(rows))


def describe_level(
    spec: ArtifactSpec, level: LevelContent, built: Proof, class_counts: tuple[int, ...]
) -> Level:
    """The level's part of the manifest."""
    total = math.fsum(m.weight for m in level.members)
    return Level(
        name=level.name,
        groups=spec.order.level(level.name).groups,
        file=level_file(level.name),
        encoding=built.graph.encoding,
        bits=built.graph.bits,
        opsets=dict(built.graph.opsets),
        vote=level.vote,
        members=tuple(_member(m, total) for m in level.members),
        metrics=dict(level.metrics),
        class_counts=class_counts,
        parity=built.parity,
    )


def _member(m: MemberSpec, total: float) -> Member:
    form = m.native.lowered
    trees, nodes = (form.n_trees, form.n_nodes) if isinstance(form, Forest) else (0, 0)
    return Member(m.name, m.native.library, m.weight / total, trees, nodes)


def _vote(level: LevelContent) -> Vote:
    for known in get_args(Vote):
        if level.vote == known:
            vote: Vote = known
            return vote
    raise DataError("a vote must be soft or hard", place=level.name, value=level.vote)


def _check(spec: ArtifactSpec, level: LevelContent, width: int) -> None:
    for m in level.members:
        place = f"{level.name}: {m.name}"
        found = m.native.lowered.n_features
        if found != width:
            rule = f"a member must read the level's {counted(width, 'feature')}"
            raise DataError(rule, place=place, value=found)
        if len(m.classes) != m.native.n_classes:
            rule = f"a member's {m.native.n_classes} columns must each have a class"
            raise DataError(rule, place=place, value=m.classes)
        if len(set(m.classes)) != len(m.classes) or not set(m.classes) <= set(range(len(spec.classes))):
            raise DataError("a member's classes must be different classes", place=place, value=m.classes)
