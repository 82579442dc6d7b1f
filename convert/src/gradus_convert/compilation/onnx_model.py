"""ONNX files from elsewhere: their tree operators rewritten, everything around them kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from gradus_convert.compaction.rewrite import Compaction, compact, load
from gradus_convert.compilation.facts import Facts
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.readers.native import Predicts, Task
from gradus_runtime.errors import DataError, UsageError

__all__ = ["OnnxModel", "compile_onnx"]


class OnnxModel(CompiledModel):
    """A rewritten ONNX file, with the inputs and outputs of the original.

    `predict` gives the first output, `predict_proba` the second.
    """

    def __init__(self, done: Compaction, facts: Facts) -> None:
        super().__init__(
            done.model_bytes, facts, encoding="compact", bits="1e-6", proof=done.agreement, margin=None
        )
        self.operators = done.operators

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the first output.

        Args:
            X: An array for a file of one input; a dataframe or a mapping by name for one of several.

        Raises:
            DataError: The rows do not fit the inputs.
        """
        return self._outputs(X)[0]

    def predict_proba(self, X: Any) -> npt.NDArray[Any]:
        """Return the second output: of a classifier, the probability of each class.

        Raises:
            DataError: As `predict`.
            UsageError: The file has one output.
        """
        outputs = self._outputs(X)
        if len(outputs) < 2:
            raise UsageError("a model must have a second output", place="predict_proba", value=len(outputs))
        return outputs[1]

    def _outputs(self, X: Any) -> list[npt.NDArray[Any]]:
        if "model" not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 4
            self._sessions["model"] = onnxruntime.InferenceSession(
                self.model_bytes, options, providers=["CPUExecutionProvider"]
            )
        session = self._sessions["model"]
        return [_array(o) for o in session.run(None, _feed(session.get_inputs(), X))]


def compile_onnx(path: Path) -> OnnxModel:
    """Rewrite the tree operators of a file.

    Raises:
        GradusError: As `gradus_convert.compaction.compact`.
    """
    data = load(path)
    done = compact(data, place=str(path))
    graph = onnx.load_model_from_string(data).graph
    task: Task = "classes" if len(graph.output) > 1 else "values"
    predicts: Predicts = "labels" if task == "classes" else "values"
    facts = Facts("onnx", task, predicts, None, None, 0, done.trees, done.nodes)
    return OnnxModel(done, facts)


_NUMPY = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32, "bool": np.bool_}


def _feed(inputs: Any, X: Any) -> dict[str, npt.NDArray[Any]]:
    if len(inputs) == 1 and not hasattr(X, "columns") and not isinstance(X, dict):
        return {inputs[0].name: _typed(inputs[0], np.asarray(X))}
    names = list(X) if isinstance(X, dict) else [str(c) for c in X.columns]
    if len(inputs) == 1 and inputs[0].name not in names:
        return {inputs[0].name: _typed(inputs[0], np.stack([np.asarray(X[c]) for c in names], axis=1))}
    missing = [i.name for i in inputs if i.name not in names]
    if missing:
        raise DataError("rows must have a column for every input", place="X", value=missing[:5])
    return {i.name: _typed(i, np.asarray(X[i.name]).reshape(-1, 1)) for i in inputs}


def _typed(end: Any, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    kind = end.type.removeprefix("tensor(").removesuffix(")")
    try:
        return values.astype(object if kind == "string" else _NUMPY.get(kind, np.float32))
    except (TypeError, ValueError) as e:
        raise DataError(f"{end.name} must be {kind}", place="X", cause=str(e)) from None


def _array(output: Any) -> npt.NDArray[Any]:
    """A ZipMap's list of mappings as one array."""
    if isinstance(output, list):
        return np.array([list(row.values()) for row in output], np.float32)
    found = np.asarray(output)
    return found.astype(str) if found.dtype == object else found
