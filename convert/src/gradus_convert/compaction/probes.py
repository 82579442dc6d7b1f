"""The original and the rewritten model side by side: the same outputs on rows that are hard to get right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import helper

from gradus_convert.compaction.tree_operator import Ensemble
from gradus_convert.graphs.builder import FLOAT, Graph
from gradus_runtime.errors import CheckError, DataError

__all__ = ["Agreement", "compare_models", "compare_operator", "probe_rows"]

ROWS = 2000
SEED = 20_250_101
SECONDS = 120.0
RELATIVE = 1e-6
_Outputs = list[Any]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Rows tried, the largest difference of a number, labels that differ in a tie."""

    rows: int
    largest_difference: float
    ties: int

    @staticmethod
    def join(parts: Iterable[Agreement]) -> Agreement:
        """Add up."""
        every = list(parts)
        return Agreement(
            sum(p.rows for p in every),
            max((p.largest_difference for p in every), default=0.0),
            sum(p.ties for p in every),
        )


def probe_rows(ensemble: Ensemble, columns: int) -> npt.NDArray[np.float32]:
    """Rows at thresholds, their float32 neighbours, zeros, extremes, NaN, infinities, and anywhere."""
    forest, random = ensemble.forest, np.random.default_rng(SEED)
    edges = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, np.nan], np.float32)
    rows = np.empty((ROWS, columns), np.float32)
    for column in range(columns):
        cuts = np.unique(forest.threshold[forest.feature == column])
        with np.errstate(over="ignore"):
            near = [cuts, *(np.nextafter(cuts, np.float32(way)) for way in (np.inf, -np.inf))]
        spread = random.normal(size=50).astype(np.float32) * np.float32(
            1 + np.abs(cuts).mean() if len(cuts) else 1
        )
        rows[:, column] = random.choice(np.concatenate([*near, spread]), ROWS)
    some = random.random(rows.shape) < 0.02
    rows[some] = random.choice(edges, int(some.sum()))
    return rows


def compare_operator(
    model: onnx.ModelProto, node: onnx.NodeProto, ensemble: Ensemble, graph: Graph, *, place: str
) -> Agreement:
    """Hold an operator against its rewritten form, each in a model of its own.

    Raises:
        CheckError: They disagree by more than float32 sums in another order can.
    """
    width = ensemble.forest.n_features
    source = helper.make_tensor_value_info(node.input[0], FLOAT, ["rows", width])
    ends = [helper.make_empty_tensor_value_info(o) for o in node.output if o]
    alone = helper.make_graph([node], "original", [source], ends)
    rewritten = helper.make_graph(graph.nodes, "rewritten", [source], ends, graph.initializers())
    rows = probe_rows(ensemble, width)
    answers = []
    for body in (alone, rewritten):
        whole = helper.make_model(body, opset_imports=model.opset_import, ir_version=model.ir_version)
        answers.append(_run(whole.SerializeToString(), {node.input[0]: rows}, place))
        answers[-1] += _run(whole.SerializeToString(), {node.input[0]: rows[:1]}, place)
    tolerance = RELATIVE * max(1.0, _reach(ensemble))
    return _compare(answers[0], answers[1], tolerance, len(rows) + 1, place)


def _reach(ensemble: Ensemble) -> float:
    """The largest sum that the forest can make, by which its rounding errors are judged."""
    forest = ensemble.forest
    largest = float(np.abs(forest.values).max(initial=0))
    return float(np.abs(forest.base).max() + forest.scale * largest * forest.n_trees)


def compare_models(original: bytes, rewritten: bytes, *, place: str) -> Agreement:
    """Hold two models against each other on random numbers, where all inputs are numbers of a known shape.

    Raises:
        CheckError: They disagree.
    """
    inputs = _random_inputs(onnx.load_model_from_string(original))
    if inputs is None:
        return Agreement(0, 0.0, 0)
    try:
        expected = _run(original, inputs, place)
    except DataError:
        return Agreement(0, 0.0, 0)
    rows = len(next(iter(inputs.values())))
    scale = max(
        (float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in expected if _is_float(a)), default=1.0
    )
    return _compare(expected, _run(rewritten, inputs, place), 1e-5 * max(1.0, scale), rows, place)


def _is_float(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _random_inputs(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]] | None:
    random = np.random.default_rng(SEED)
    constants = {t.name for t in model.graph.initializer}
    result: dict[str, npt.NDArray[Any]] = {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        known = value.type.tensor_type
        dims = [d.dim_value for d in known.shape.dim]
        if (
            known.elem_type != FLOAT
            or not dims
            or any(d <= 0 for d in dims[1:])
            or np.prod(dims[1:]) > 100_000
        ):
            return None
        result[value.name] = random.normal(size=(dims[0] or 64, *dims[1:])).astype(np.float32)
    return result or None


@contextmanager
def _deadline(stop: Callable[[], None]) -> Any:
    timer = threading.Timer(SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _run(model: bytes, inputs: Mapping[str, npt.NDArray[Any]], place: str) -> _Outputs:
    """Run a model once, for at most `SECONDS`."""
    options, run = ort.SessionOptions(), ort.RunOptions()
    options.log_severity_level = run.log_severity_level = 4
    options.intra_op_num_threads = 1

    def stop() -> None:
        run.terminate = True

    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        with _deadline(stop):
            outputs = session.run(None, dict(inputs), run)
    except Exception as e:  # onnxruntime raises classes of its own for every cause
        raise DataError("onnxruntime must run the model", place=place, cause=str(e)) from None
    return [part for o in outputs for part in _flat(o)]


def _flat(output: Any) -> list[Any]:
    """A ZipMap's list of mappings as one array, any other list by its parts, anything else as it is."""
    if isinstance(output, list) and output and isinstance(output[0], dict):
        return [np.array([list(o.values()) for o in output], np.float64)]
    if isinstance(output, list):
        return [part for item in output for part in _flat(item)]
    return [output]


def _compare(expected: _Outputs, found: _Outputs, tolerance: float, rows: int, place: str) -> Agreement:
    largest, ties = 0.0, 0
    near = _near_ties(expected, tolerance)
    if len(expected) != len(found):
        raise CheckError("both models must give as many outputs", place=place, value=len(found))
    for a, b in zip(expected, found, strict=True):
        if np.shape(a) != np.shape(b):
            raise CheckError("both models must give outputs of one shape", place=place)
        if not isinstance(a, np.ndarray):
            if a != b:
                raise CheckError("outputs must agree", place=place)
            continue
        if a.dtype.kind == "f":
            largest = max(largest, float(np.nanmax(np.abs(a.astype(np.float64) - b), initial=0.0)))
            if not (np.isnan(a) == np.isnan(b)).all() or largest > tolerance:
                raise CheckError(
                    f"numbers must agree within {tolerance:.1e}",
                    place=place,
                    value=largest,
                    hint="Nothing was written; the operator has a meaning that gradus does not know.",
                )
            continue
        a, b = np.atleast_1d(a), np.atleast_1d(b)
        different = np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1))
        if not set(different.tolist()) <= near:
            raise CheckError("labels must agree", place=place, value=(a[different[0]], b[different[0]]))
        ties += len(different)
    return Agreement(rows, largest, ties)


def _near_ties(outputs: _Outputs, tolerance: float) -> set[int]:
    """Rows in which the two largest scores, or a score and the limit of a binary decision, are that close."""
    near: set[int] = set()
    for scores in outputs:
        if _is_float(scores) and scores.ndim == 2 and scores.shape[1] > 1:
            top = np.sort(scores, axis=1)[:, -2:]
            close = top[:, 1] - top[:, 0] <= tolerance
            for limit in (0.0, 0.5):
                close |= (np.abs(scores - limit) <= tolerance).any(axis=1)
            near |= set(np.flatnonzero(close).tolist())
    return near
