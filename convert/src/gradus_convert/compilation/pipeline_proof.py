"""The proof of what stands before the trees, and of both together, on float64 rows at every threshold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from onnx import helper

from gradus_convert.errors import ParityError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import LevelGraph
from gradus_convert.graphs.builder import DOUBLE, Graph
from gradus_convert.graphs.level_graph import LEAVES, finish
from gradus_convert.graphs.values import VALUES
from gradus_convert.parity.model_proof import ModelProof, allowed_error
from gradus_convert.parity.proof import PROOF_TOLERANCE
from gradus_convert.preparation.pipeline_steps import (
    MISSING_TEXT,
    NUMBERS,
    TEXTS,
    categories_of,
    emit,
    origins,
    width,
)
from gradus_runtime.contracts.graph import PROBABILITIES
from gradus_runtime.errors import DataError
from gradus_runtime.sessions.onnx_session import open_session

if TYPE_CHECKING:
    from gradus_convert.compilation.pipelines import PipelineSource

__all__ = ["is_answered", "plain_row", "prove_front"]

MOST_ROWS = 12_000
FEWEST_ROWS = 2_000
SEED = 20_260_101

Columns = dict[int, npt.NDArray[Any]]
Feed = Mapping[str, npt.NDArray[Any]]
Float64 = npt.NDArray[np.float64]


def plain_row(source: PipelineSource) -> Columns:
    """Return one row that the model answers: zeros, and the first known category."""
    block = source.front.block
    known = {} if block is None else categories_of(block)
    row: Columns = {}
    for i in source.front.numbers:
        first = [c for c in known.get(i, (0.0,)) if c == c]
        row[i] = np.array([float(first[0]) if first else 0.0])
    for i in source.front.texts:
        texts = [c for c in known.get(i, ("",)) if c != MISSING_TEXT]
        row[i] = np.array([str(texts[0]) if texts else None], object)
    return row


def is_answered(source: PipelineSource, columns: Columns) -> bool:
    """Whether the user's model answers rows, and its trees get what they take.

    A pipeline is asked itself: a forest of scikit-learn takes NaN in rows, but not where the steps before it
    give a sparse matrix.
    """
    table = source.table(columns)
    try:
        rows = source.before_trees(table)
        _answers_of(source, table, rows)
    except (ValueError, TypeError):
        return False
    able = source.final.missing
    gaps = np.isnan(rows).any(axis=0)
    return not (gaps if able is None else gaps & ~able).any()


def prove_front(
    source: PipelineSource, build: Any, report: ModelProof, given: Feed | None, place: str
) -> ModelProof:
    """Hold the steps before the trees, and then the whole graph, against the user's model.

    The steps must give the bits that scikit-learn gives; with them every tree must end at the leaf of the
    library, on rows that bring each column to its thresholds and their neighbours in float64.

    Args:
        source: The user's model.
        build: Makes the whole graph.
        report: Of the trees by themselves.
        given: Rows of the user's as the graph takes them, beside those that are made; None for none.
        place: How errors name the model.

    Returns:
        The report, with what was compared here added.

    Raises:
        ParityError: They differ.
        DataError: The model refuses a given row.
    """
    columns = _rows(source)
    if given is not None:
        more = _columns_of(source, given)
        if not is_answered(source, more):
            raise DataError("rows must be some that the model itself answers", place="compile(rows)")
        columns = {i: np.concatenate([made, more[i]]) for i, made in columns.items()}
    table = source.table(columns)
    expected = source.before_trees(table)
    feed = _feed(source, columns)
    _check_steps(source, feed, expected, place)
    leaves = _check_leaves(source, build(True), feed, expected, place)
    worst = _check_answers(source, build(False), feed, table, expected, place)
    return dataclasses.replace(
        report,
        rows=report.rows + len(expected),
        leaf_checks=report.leaf_checks + leaves,
        max_difference=max(report.max_difference, worst),
    )


def _columns_of(source: PipelineSource, given: Feed) -> Columns:
    """Some of the user's rows, by column, missing texts as the user's steps ask for them."""
    count = len(next(iter(given.values())))
    some = {name: values[:: 1 + count // MOST_ROWS] for name, values in given.items()}
    columns: Columns = {}
    for k, i in enumerate(source.front.numbers):
        columns[i] = some[NUMBERS][:, k]
    for k, i in enumerate(source.front.texts):
        columns[i] = some[TEXTS][:, k].copy()
        columns[i][columns[i] == MISSING_TEXT] = source.gap
    return columns


def _for_library(source: PipelineSource, rows: Float64) -> npt.NDArray[Any]:
    """What the last step makes of float64 rows before it looks at them."""
    single = source.final.library == "sklearn" and not source.final.reads_float64
    with np.errstate(over="ignore"):
        return rows.astype(np.float32) if single else rows


def _thresholds(source: PipelineSource) -> list[Float64]:
    """Float64 values around the thresholds of each column before the trees."""
    forest, ranks = source.final.lowered, source.front.ranks
    seen = forest.sources[forest.feature] if isinstance(forest, Forest) else np.zeros(0)
    found = []
    for column in range(source.front.width):
        if ranks is not None:
            exact = ranks.thresholds[column]
            found.append(np.concatenate([exact, np.nextafter(exact, np.inf)]))
        elif isinstance(forest, Forest):
            cuts = np.unique(forest.threshold[(forest.feature >= 0) & (seen == column)])
            cuts = cuts[np.isfinite(cuts)]
            with np.errstate(over="ignore"):
                above = np.nextafter(cuts, np.float32(np.inf)).astype(np.float64)
            middle = (cuts.astype(np.float64) + above) / 2  # where rounding to float32 turns over
            around = [np.nextafter(middle, way) for way in (np.inf, -np.inf)]
            found.append(np.concatenate([cuts.astype(np.float64), above, middle, *around]))
    return [f[np.isfinite(f)] for f in found]


def _rows(source: PipelineSource) -> Columns:
    """Rows of the user's that bring each column to its thresholds; categories, unknown and missing values."""
    random = np.random.default_rng(SEED)
    pools = _pools(source)
    count = min(MOST_ROWS, max([FEWEST_ROWS, *(len(p) for p in pools.values())]))
    columns: Columns = {}
    for i, pool in pools.items():
        order = random.permutation(len(pool))
        picked = pool[np.resize(order, count)]
        columns[i] = picked[random.permutation(count)]
    return columns


def _pools(source: PipelineSource) -> Columns:
    block = source.front.block
    made_of = list(range(source.front.width)) if block is None else origins(block)
    base, known = plain_row(source), {} if block is None else categories_of(block)
    pools: dict[int, list[Any]] = {i: [] for i in (*source.front.numbers, *source.front.texts)}
    one = {i: v + 1.0 if i in source.front.numbers and i not in known else v for i, v in base.items()}
    start, end = (source.before_trees(source.table(row))[0] for row in (base, one))
    for column, cuts in enumerate(_thresholds(source)):
        i, slope = made_of[column], end[column] - start[column]
        if i in source.front.numbers and i not in known and np.isfinite(slope) and slope != 0:
            solved = (cuts - start[column]) / slope + base[i][0]
            near = [solved, np.nextafter(solved, np.inf), np.nextafter(solved, -np.inf)]
            pools[i] += [x for part in near for x in part[np.isfinite(part)].tolist()]
    for i in pools:
        pools[i] += list(known.get(i, ())) if i in known else []
        if i in source.front.numbers and i not in known:
            pools[i] += [0.0, -0.0, 1.0, *np.random.default_rng(i).normal(size=50).tolist()]
        pools[i] += [v for v in _odd(source, i) if is_answered(source, base | {i: _column(source, i, [v])})]
    limited = {
        i: [v for v in pool if v != MISSING_TEXT and (v == v or i in source.missing)]
        for i, pool in pools.items()
    }
    return {i: _column(source, i, pool or [base[i][0]]) for i, pool in limited.items()}


def _odd(source: PipelineSource, i: int) -> list[Any]:
    """Values that a model may refuse: missing ones, and categories that no row of training had."""
    if i in source.front.texts:
        return ["no such category", "", *([source.gap] if i in source.missing else [])]
    infinities = [np.inf, -np.inf] if i in source.infinite else []
    return [1e6, -1e6, 12345.5, *([np.nan] if i in source.missing else []), *infinities]


def _column(source: PipelineSource, i: int, values: list[Any]) -> npt.NDArray[Any]:
    if i in source.front.numbers:
        return np.array(values, np.float64)
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _feed(source: PipelineSource, columns: Columns) -> dict[str, npt.NDArray[Any]]:
    feed: dict[str, npt.NDArray[Any]] = {}
    if source.front.numbers:
        feed[NUMBERS] = np.stack([columns[i] for i in source.front.numbers], axis=1)
    if source.front.texts:
        texts = np.stack([columns[i] for i in source.front.texts], axis=1)
        feed[TEXTS] = np.where(texts != texts, MISSING_TEXT, np.where(_is_none(texts), MISSING_TEXT, texts))
    return feed


def _is_none(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.array([[v is None for v in row] for row in values.tolist()], np.bool_).reshape(values.shape)


def _run(graph: LevelGraph, feed: dict[str, npt.NDArray[Any]], output: str, block: int) -> npt.NDArray[Any]:
    session = open_session(graph.model_bytes, graph.encoding, 1).session
    count = len(next(iter(feed.values())))
    parts = [
        session.run([output], {k: v[i : i + block] for k, v in feed.items()})[0]
        for i in range(0, count, block)
    ]
    return np.concatenate(parts)


def _check_steps(
    source: PipelineSource, feed: dict[str, npt.NDArray[Any]], expected: Float64, place: str
) -> None:
    front = source.front
    if front.block is None:
        return
    graph, k = Graph(), width(front.block)
    rows = emit(graph, front.block, front.numbers, front.texts)
    graph.op("Identity", rows, name="rows")
    ends = [helper.make_tensor_value_info("rows", DOUBLE, ["N", k])]
    model, opsets = finish(graph.as_graph("steps", front.inputs(), ends), graph.functions, {}, "none")
    said = _run(LevelGraph(model, "none", opsets, ""), feed, "rows", 1024)
    same = (said == expected) | (np.isnan(said) & np.isnan(expected))
    if not same.all():
        row, column = (int(i) for i in np.argwhere(~same)[0])
        raise ParityError(
            "the steps before the trees must give the bits that scikit-learn gives",
            place=f"{place}: column {column} before the trees",
            value=f"{said[row, column]!r} for {expected[row, column]!r}",
            hint=f"{int((~same).sum())} of {same.size} differ. Report it, with the pipeline.",
        )


def _check_leaves(
    source: PipelineSource,
    graph: LevelGraph,
    feed: dict[str, npt.NDArray[Any]],
    expected: Float64,
    place: str,
) -> int:
    forest, final = graph_forest(source), source.final
    if final.leaves is None:
        return 0
    nodes = _run(graph, feed, LEAVES, 96)
    said = final.leaves(_for_library(source, expected), range(forest.n_trees))
    wrong = forest.native_leaf[nodes] != said
    if wrong.any():
        row, tree = (int(i) for i in np.argwhere(wrong)[0])
        raise ParityError(
            "every tree must end at the leaf of its library",
            place=f"{place}: float64 rows",
            value=f"tree {tree}, row {row}: leaf {said[row, tree]}, node {nodes[row, tree]}",
            hint=f"{int(wrong.sum())} of {wrong.size} differ. Report it, with the model.",
        )
    return int(wrong.size)


def graph_forest(source: PipelineSource) -> Forest:
    """Return the forest that the graph walks."""
    form = source.trees.lowered
    if not isinstance(form, Forest):
        raise TypeError("a front stands before trees")
    return form


def _check_answers(
    source: PipelineSource,
    graph: LevelGraph,
    feed: dict[str, npt.NDArray[Any]],
    table: Any,
    rows: Float64,
    place: str,
) -> float:
    values, forest = source.final.task == "values", graph_forest(source)
    said = _run(graph, feed, VALUES if values else PROBABILITIES, 96).astype(np.float64)
    expected = _answers_of(source, table, rows)
    expected = expected.reshape(said.shape)
    difference = np.abs(said - expected)
    allowed = allowed_error(forest, expected) if values else np.full(expected.shape, PROOF_TOLERANCE)
    if not (difference <= allowed).all():
        raise ParityError(
            "answers must be those of the model",
            place=f"{place}: float64 rows",
            value=float(difference.max()),
            hint="Report it, with the model.",
        )
    return float(difference.max(initial=0.0))


def _answers_of(source: PipelineSource, table: Any, rows: Float64) -> Float64:
    """What the user's model answers: probabilities, or values.

    Args:
        source: The model.
        table: Rows as it takes them.
        rows: The same before the trees.
    """
    model = source.pipeline
    if model is not None and source.final.task == "values":
        return np.asarray(model.predict(table), np.float64)
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(table), np.float64)
    return source.final.probabilities(_for_library(source, rows))
