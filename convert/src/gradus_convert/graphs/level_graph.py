"""The assembly of a level: members in, one self-contained ONNX file out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from gradus_convert.forest.fragment import OPSETS, OnnxFragment
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs.alignment import aligned_bytes
from gradus_convert.graphs.builder import FLOAT, INT32, INT64, Columns, Graph
from gradus_convert.graphs.compact import emit_sums
from gradus_convert.graphs.encoding import choose_encoding
from gradus_convert.graphs.exact_vote import emit_exact_vote, exact_ballots
from gradus_convert.graphs.fragments import emit_fragment
from gradus_convert.graphs.labels import emit_labels, label_type
from gradus_convert.graphs.operators import ML, check_operators, nodes_of
from gradus_convert.graphs.plan import column_order, plan_sums
from gradus_convert.graphs.tree_classifier import emit_classifier, fits
from gradus_convert.graphs.tree_walk import emit_walk
from gradus_convert.graphs.treeops import ML_OPSETS, emit_leaves, emit_tree_operators, without_fills
from gradus_convert.graphs.types import Encoding, Front, LevelGraph, Vote, VotingMember
from gradus_convert.graphs.vote import MemberVote, emit_vote
from gradus_convert.graphs.widened_row import widened
from gradus_runtime.contracts.graph import INPUT, LABEL, PROBABILITIES
from gradus_runtime.contracts.manifest import CLOSE, EXACT
from gradus_runtime.contracts.manifest.calibration import HOTTEST
from gradus_runtime.errors import UsageError

__all__ = ["LEAVES", "build_level", "finish", "with_bases"]

LEAVES = "leaves"
IR_VERSION = 8
_Trees = tuple[VotingMember, Forest]
_Fragments = tuple[VotingMember, OnnxFragment]


def build_level(
    members: Sequence[VotingMember],
    feature_names: Sequence[str],
    classes: Sequence[str],
    *,
    encoding: Encoding = "compact",
    vote: Vote = "soft",
    temperature: float | None = None,
    metadata: Mapping[str, str],
    prefer_exact: bool = False,
    leaves: bool = False,
    labels: npt.NDArray[Any] | None = None,
    front: Front | None = None,
    alone: bool = False,
) -> LevelGraph:
    """Compile the members of a level into one graph. The same arguments give the same bytes.

    For every row that the forests have views for (finite float32 where they have none) each tree ends at the
    leaf that `ir.leaves` gives, as the trees look at the row widened by its views; `probabilities` and
    `label` are those of `vote.emit_vote` on the members' probabilities. If all members are trees and the
    encoding is compact, they are computed as `exact_vote` says, and their bits are the same everywhere;
    otherwise in float32.

    Args:
        members: At least one.
        feature_names: The columns of a row.
        classes: The level's classes.
        encoding: Of the trees; "auto" chooses by their number and depth.
        vote: "soft" adds probabilities, "hard" adds decisions.
        temperature: Of the level, from 1/4 to 4; None for none.
        metadata: Goes into `metadata_props`, sorted by key.
        prefer_exact: Let "auto" choose the encoding with exact bits where there is a choice.
        leaves: Output `leaves` as well: int32 [N, T], node indices as `ir.leaves` gives them, the forests'
            trees side by side in the order of the members.
        labels: What `label` gives instead of the index of a class: one a class, numbers, texts or booleans.
        front: Makes the features of other inputs; by default they are the input.
        alone: Whether the graph is of a model by itself: "auto" then chooses otherwise, and "treeops" is one
            operator where it is one forest and that says the same.

    Raises:
        UsageError: The arguments do not fit together.
        InexactModelError: A member has no exact form.
    """
    _check(members, feature_names, classes, vote, temperature, leaves)
    trees = [(m, m.model) for m in members if isinstance(m.model, Forest)]
    others = [(m, m.model) for m in members if isinstance(m.model, OnnxFragment)]
    prefer_exact = prefer_exact and not others
    chosen = choose_encoding([f for _, f in trees], encoding=encoding, prefer_exact=prefer_exact, alone=alone)
    exact = chosen == "compact" and not others
    graph, order = Graph(), column_order([f for _, f in trees])
    source = INPUT if front is None else front.emit(graph)
    forests, nan_left = [f for _, f in trees], None
    single = alone and chosen == "treeops" and len(members) == 1
    if single and (plain := without_fills(forests[0])):
        forests, nan_left = [plain[0]], plain[1]
    rows, bare = widened(graph, Columns(source, len(feature_names)), forests)
    trees = [(m, f) for (m, _), f in zip(trees, bare, strict=True)]
    ends = _Ends(source, rows, len(classes), vote, temperature, leaves, nan_left)
    named, plain_vote = False, vote == "soft" and temperature is None
    if exact:
        result = _exact_votes(graph, [trees[i] for i in order], ends)
    elif single and plain_vote and fits(bare[0], members[0].classes, len(classes)):
        named = emit_classifier(graph, rows.name, bare[0], labels, nan_left)
        result = emit_leaves(graph, rows.name, bare[0], nan_left) if leaves else None
    else:
        result = _float_votes(graph, [trees[i] for i in order], others, chosen, ends)
    outputs = [
        helper.make_tensor_value_info(PROBABILITIES, FLOAT, ["N", len(classes)]),
        helper.make_tensor_value_info(LABEL, INT64 if labels is None else label_type(labels), ["N"]),
    ]
    if labels is not None and not named:
        emit_labels(graph, labels)
    if result is not None:
        graph.op("Gather", result, _member_order(graph, trees, order), axis=1, name=LEAVES)
        total = sum(f.n_trees for _, f in trees)
        outputs.append(helper.make_tensor_value_info(LEAVES, INT32, ["N", total]))
    inputs = [helper.make_tensor_value_info(INPUT, FLOAT, ["N", len(feature_names)])]
    if front is not None:
        inputs = front.inputs()
    model, opsets = finish(graph.as_graph("level", inputs, outputs), graph.functions, metadata, chosen)
    return LevelGraph(model, chosen, opsets, EXACT if exact else CLOSE)


@dataclass(frozen=True, slots=True)
class _Ends:
    """What goes into a level's walk, the rows, and what comes out, as `build_level` has it."""

    source: str
    rows: Columns
    n_classes: int
    vote: Vote
    temperature: float | None
    leaves: bool
    nan_left: npt.NDArray[np.bool_] | None


def _exact_votes(graph: Graph, trees: Sequence[_Trees], ends: _Ends) -> str | None:
    """Write the level of `exact_vote`; return the leaves of the trees in this order, if asked for."""
    ballots = exact_ballots(trees, ends.vote)
    plan = plan_sums([f for _, f in trees], ends.rows.width, fixed=[b.fixed for b in ballots])
    result = emit_walk(graph, ends.rows.name, plan, leaves=ends.leaves)
    emit_exact_vote(
        graph,
        result.sums,
        ballots,
        ends.n_classes,
        vote=ends.vote,
        temperature=ends.temperature,
        output=PROBABILITIES,
        label=LABEL,
    )
    return result.leaves


def _float_votes(
    graph: Graph, trees: Sequence[_Trees], others: Sequence[_Fragments], encoding: str, ends: _Ends
) -> str | None:
    """Write the level of `vote`, computed in float32; return as `_exact_votes` does."""
    leaves, values, forests = None, list[Columns](), [f for _, f in trees]
    ballots = [MemberVote(f.link, f.n_outputs, m.weight, m.classes) for m, f in trees]
    if forests:
        if encoding == "compact":
            plan = plan_sums(forests, ends.rows.width)
            result = emit_sums(graph, ends.rows.name, plan, leaves=ends.leaves)
        else:
            rows, nan_left = ends.rows.name, ends.nan_left
            result = emit_tree_operators(
                graph, rows, forests, encoding=encoding, leaves=ends.leaves, nan_left=nan_left
            )
        leaves, values = result.leaves, with_bases(graph, result.sums, forests)
    for i, (member, fragment) in enumerate(others):
        name = emit_fragment(graph, fragment, ends.source, prefix=f"member{i}.", place=member.name)
        values.append(Columns(name, len(member.classes)))
        ballots.append(MemberVote("identity", len(member.classes), member.weight, member.classes))
    emit_vote(
        graph,
        values,
        ballots,
        ends.n_classes,
        vote=ends.vote,
        temperature=ends.temperature,
        output=PROBABILITIES,
        label=LABEL,
    )
    return leaves


def with_bases(graph: Graph, sums: Sequence[Columns], forests: Sequence[Forest]) -> list[Columns]:
    """Add the bases of forests to their sums, float32, side by side in the same order."""
    bases = np.concatenate([f.base for f in forests])
    starts = np.cumsum([0, *(part.width for part in sums)])
    return [
        _with_base(graph, part, bases[start : start + part.width])
        for part, start in zip(sums, starts, strict=False)
    ]


def _with_base(graph: Graph, part: Columns, base: npt.NDArray[np.float64]) -> Columns:
    if not base.any():
        return part
    constant = graph.constant(base[None], np.float32)
    return Columns(graph.op("Add", part.name, constant, type=FLOAT, dims=["N", part.width]), part.width)


def _member_order(graph: Graph, trees: Sequence[_Trees], order: Sequence[int]) -> str:
    """Where the trees of the members, in their order, stand among those of the forests in `order`."""
    starts = np.cumsum([0, *(trees[i][1].n_trees for i in order)])
    parts = {i: np.arange(starts[k], starts[k + 1]) for k, i in enumerate(order)}
    return graph.constant(np.concatenate([parts[i] for i in range(len(trees))]), np.int64, "member_order")


def finish(
    graph: onnx.GraphProto,
    functions: Sequence[onnx.FunctionProto],
    metadata: Mapping[str, str],
    encoding: str,
) -> tuple[bytes, dict[str, int]]:
    """Make a checked, deterministic file of a graph, with the lowest opsets its operators allow."""
    calls = {f.domain for f in functions}
    nodes = [*nodes_of(graph), *(n for f in functions for n in nodes_of(f))]
    nodes = [n for n in nodes if n.domain not in calls]
    check_operators(nodes, place="graphs.level")
    domains = {"", *(n.domain for n in nodes)}
    opsets = {d: v for d, v in OPSETS.items() if d in domains}
    if ML in opsets:
        opsets[ML] = ML_OPSETS.get(encoding, opsets[ML])
    model = helper.make_model(
        graph,
        producer_name="gradus",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid(d, v) for d, v in (*opsets.items(), *((d, 1) for d in calls))],
        functions=functions,
    )
    helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    return aligned_bytes(model), {d or "ai.onnx": v for d, v in opsets.items()}


def _check(
    members: Sequence[VotingMember],
    feature_names: Sequence[str],
    classes: Sequence[str],
    vote: str,
    temperature: float | None,
    leaves: bool,
) -> None:
    def require(ok: bool, rule: str, place: str, value: object) -> None:
        if not ok:
            raise UsageError(rule, place=place, value=value)

    require(len(members) > 0, "a level must have a member", "build_level(members)", len(members))
    require(vote in get_args(Vote), "vote must be known", "build_level(vote)", vote)
    for m in members:
        place = f"build_level(members): {m.name}"
        require(math.isfinite(m.weight) and m.weight > 0, "a weight must be positive", place, m.weight)
        known = len(set(m.classes)) == len(m.classes) > 0
        inside = all(0 <= c < len(classes) for c in m.classes)
        require(known and inside, "classes must name different columns", place, m.classes)
        if isinstance(m.model, Forest):
            wide, many = m.model.n_features, m.model.n_classes
            require(wide == len(feature_names), "a member must read the level's features", place, wide)
            require(many == len(m.classes), "a column must have a class", place, (many, m.classes))
    hot = temperature is None or 1.0 / HOTTEST <= temperature <= HOTTEST
    require(hot, "a temperature must lie between 1/4 and 4", "build_level(temperature)", temperature)
    if leaves and not any(isinstance(m.model, Forest) for m in members):
        raise UsageError("leaves need a member with trees", place="build_level(leaves)")
