"""The usual converter of each library: from a model as the library holds it to an `onnx.ModelProto`."""

from __future__ import annotations

from typing import Any

from gradus_convert.readers.native import NativeModel

__all__ = ["catboost", "lightgbm", "sklearn", "xgboost"]


def lightgbm(native: NativeModel) -> Any:
    """Convert by onnxmltools."""
    import onnxmltools

    return onnxmltools.convert_lightgbm(native.source, initial_types=_types(native), zipmap=False)


def xgboost(native: NativeModel) -> Any:
    """Convert by onnxmltools."""
    import onnxmltools

    return onnxmltools.convert_xgboost(native.source, initial_types=_types(native))


def sklearn(native: NativeModel) -> Any:
    """Convert by skl2onnx."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    types = [("features", FloatTensorType([None, native.lowered.n_features]))]
    return skl2onnx.to_onnx(native.source, initial_types=types, options={"zipmap": False})


def catboost(native: NativeModel) -> Any:
    """Convert by CatBoost's own export, whose probabilities are a map by class: they are taken out of it."""
    from catboost.utils import convert_to_onnx_object

    model = convert_to_onnx_object(native.source)
    graph = model.graph
    zipmap = next(node for node in graph.node if node.op_type == "ZipMap")
    for output in graph.output:
        if output.name == zipmap.output[0]:
            output.name = zipmap.input[0]
            output.type.Clear()
            output.type.tensor_type.elem_type = 1
    graph.node.remove(zipmap)
    return model


def _types(native: NativeModel) -> Any:
    from onnxmltools.convert.common.data_types import FloatTensorType

    return [("features", FloatTensorType([None, native.lowered.n_features]))]
