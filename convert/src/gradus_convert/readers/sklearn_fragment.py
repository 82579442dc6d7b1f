"""scikit-learn classifiers that are not trees, by skl2onnx: regressions, networks, scaled pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import helper

from gradus_convert.errors import InexactModelError
from gradus_convert.forest.fragment import OPSETS, OnnxFragment, check_fragment
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.trees import check_classes

__all__ = ["read"]


def read(model: Any, *, place: str = "model") -> NativeModel:
    """Convert a fitted classifier with `predict_proba` to a fragment.

    Raises:
        InexactModelError: skl2onnx has no conversion of it, or it holds trees.
    """
    if not hasattr(model, "predict_proba"):
        raise InexactModelError("a member must have predict_proba", place=place, value=type(model).__name__)
    check_classes(len(model.classes_), place)
    fragment = OnnxFragment(_convert(model, place), int(model.n_features_in_), len(model.classes_))
    check_fragment(fragment)

    def probabilities(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.asarray(model.predict_proba(X), np.float64)

    labels = tuple(model.classes_.tolist())
    return NativeModel(
        "sklearn",
        model,
        fragment,
        probabilities,
        None,
        0,
        labels,
        reads_float64=True,
        predict=lambda X: np.asarray(model.predict(X)),
    )


def _convert(model: Any, place: str) -> bytes:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    try:
        converted = skl2onnx.to_onnx(
            model,
            initial_types=[("features", FloatTensorType([None, model.n_features_in_]))],
            options={"zipmap": False},
            target_opset=OPSETS,
        )
    except (
        skl2onnx.common.exceptions.MissingShapeCalculator,
        skl2onnx.common.exceptions.MissingConverter,
        NotImplementedError,
        RuntimeError,
    ) as e:
        raise InexactModelError(
            "skl2onnx must know the estimator",
            place=place,
            value=type(model).__name__,
            hint=str(e).strip().splitlines()[0],
        ) from None
    return _probabilities_only(converted, len(model.classes_))


def _probabilities_only(model: Any, n_classes: int) -> bytes:
    """Leave the probabilities as the one output, named so, and drop what only the label needed."""
    graph = model.graph
    source = graph.output[1].name
    kept: list[Any] = []
    wanted = {source}
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    nodes = [*reversed(kept), helper.make_node("Identity", [source], ["fragment_probabilities"])]
    constants = [t for t in graph.initializer if t.name in wanted]
    output = helper.make_tensor_value_info("fragment_probabilities", 1, [None, n_classes])
    pruned = helper.make_graph(nodes, "fragment", list(graph.input), [output], constants)
    result = helper.make_model(pruned, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    result.producer_name = "gradus"
    return bytes(result.SerializeToString(deterministic=True))
