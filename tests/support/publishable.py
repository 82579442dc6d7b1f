"""Tiny level graphs, made by hand with onnx.helper: a linear model, softmax, argmax."""

from __future__ import annotations

import io

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.support.manifests import sample_manifest
from tests.support.stores import manifest_for

from gradus_runtime.contracts.graph import expected_metadata
from gradus_runtime.contracts.manifest import Level, Manifest


def linear_graph(manifest: Manifest, level: Level, seed: int = 0) -> onnx.ModelProto:
    """A graph that the level may publish."""
    features, classes = len(manifest.level_features(level)), len(manifest.classes)
    weights = np.random.default_rng(seed).normal(size=(features, classes)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["margins"]),
            helper.make_node("Softmax", ["margins"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
        ],
        level.name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", features])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes]),
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
        ],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(expected_metadata(manifest, level)))
    return model


def publishable(
    version: str = "2026.1.4", seed: int = 0, **changes: object
) -> tuple[Manifest, dict[str, bytes]]:
    """A manifest and its files, fit to be published, that onnxruntime can serve."""
    bare = manifest_for({}, version, **changes)
    files = {s.file: linear_graph(bare, s, seed).SerializeToString(deterministic=True) for s in bare.levels}
    rows = np.random.default_rng(seed).normal(size=(bare.golden.rows, len(bare.features))).astype(np.float32)
    arrays = {"features": rows}
    for level in bare.levels:
        weights = numpy_helper.to_array(linear_graph(bare, level, seed).graph.initializer[0])
        width = len(bare.level_features(level))
        margins = np.exp(rows[:, :width] @ weights)
        arrays[level.name] = (margins / margins.sum(axis=1, keepdims=True)).astype(np.float32)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    files["golden.npz"] = buffer.getvalue()
    return manifest_for(files, version, **changes), files


def sample_level(name: str = "level1") -> Level:
    """A level of the sample manifest."""
    return next(s for s in sample_manifest().levels if s.name == name)
