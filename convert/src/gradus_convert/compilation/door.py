"""The door: a model in, a compiled and proved model out."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gradus_convert.compilation.facts import facts_of
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.compilation.proof_rows import made_rows
from gradus_convert.compilation.rows import read_rows
from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import LevelGraph, VotingMember, build_level
from gradus_convert.graphs.labels import label_values
from gradus_convert.graphs.types import Encoding
from gradus_convert.graphs.values import build_values
from gradus_convert.parity.model_proof import ModelProof, ProofKind, prove_model
from gradus_convert.readers import NativeModel, read_file, read_model
from gradus_convert.readers.formats import format_of
from gradus_runtime.errors import UsageError

__all__ = ["compile_model", "compile_native"]


def compile_model(
    model: Any,
    *,
    proof: ProofKind = "full",
    encoding: Encoding = "auto",
    rows: Any = None,
) -> CompiledModel:
    """Compile a tree model exactly, and prove it.

    Every row of finite float32 ends, in every tree, at the leaf that the library which trained the model ends
    at. What has no exact form is refused.

    Args:
        model: A fitted estimator of LightGBM, XGBoost, CatBoost or scikit-learn, a Booster, or the path of a
            file: LightGBM's text, XGBoost's UBJSON or JSON, CatBoost's cbm or JSON, skops, ONNX, or a pickle,
            which is read by an allow-list and never run.
        proof: "full": every threshold and its two float32 neighbours; "quick": some rows on thresholds;
            "off": none.
        encoding: Of the trees; "auto" chooses by their number and depth. docs/encodings.md compares them.
        rows: Some rows of data [N, F], for the proof; by default rows are made from the thresholds.

    Returns:
        The compiled model: `save`, `predict`, `predict_proba`, `predict_margin`, `proof`, `model`.

    Raises:
        DataError: The file cannot be read, or is of no known form.
        InexactModelError: The model has no exact form; the message names the rule.
        ParityError: The proof failed: nothing is returned.

    Example:
        import gradus_convert

        compiled = gradus_convert.compile("model.txt")
        compiled.save("small.onnx")
    """
    if proof not in get_args(ProofKind):
        known = ", ".join(get_args(ProofKind))
        raise UsageError("proof must be known", place="compile(proof)", value=proof, hint=f"Known: {known}.")
    if not isinstance(model, str | os.PathLike):
        native = read_model(model, values=True)
        return compile_native(native, proof=proof, encoding=encoding, rows=rows, place="model")
    path = Path(model)
    kind = format_of(path)
    if kind == "onnx":
        from gradus_convert.compilation.onnx_file import compile_onnx

        return compile_onnx(path)
    if kind == "pickle":
        from gradus_convert.compilation.pickled import compile_pickle

        return compile_pickle(path, proof=proof, encoding=encoding)
    native = read_file(path, kind, values=True)
    return compile_native(native, proof=proof, encoding=encoding, rows=rows, place=str(path))


def compile_native(
    native: NativeModel, *, proof: ProofKind, encoding: Encoding, rows: Any = None, place: str
) -> CompiledModel:
    """Compile what a reader has read.

    Raises:
        InexactModelError: It has no exact form.
        ParityError: The proof failed.
    """
    labels = None if native.labels is None else label_values(native.labels)
    if native.predicts == "labels" and native.labels is not None and labels is None:
        raise InexactModelError(
            "labels must be numbers, texts or booleans", place=place, value=list(native.labels)[:5]
        )
    metadata = _metadata(native)

    def build(leaves: bool, named: bool = False) -> LevelGraph:
        form = native.lowered
        if native.task == "values":
            if not isinstance(form, Forest):
                raise InexactModelError("a model of values must be of trees", place=place)
            return build_values(form, encoding=encoding, metadata=metadata, leaves=leaves)
        classes = tuple(range(native.n_classes))
        wanted = labels if named and native.predicts == "labels" else None
        if wanted is not None and wanted.dtype == np.int64 and (wanted == np.arange(len(wanted))).all():
            wanted = None
        return build_level(
            [VotingMember("model", 1.0, form, classes)],
            [f"c{i}" for i in range(form.n_features)],
            [str(c) for c in classes],
            encoding=encoding,
            metadata=metadata,
            leaves=leaves,
            labels=wanted,
        )

    report = None if proof == "off" else _prove(native, build, proof, rows, place)
    graph = build(False, named=True)
    return CompiledModel(
        graph.model_bytes,
        facts_of(native),
        encoding=graph.encoding,
        bits=graph.bits,
        proof=report,
        margin=_margin(native),
    )


def _prove(native: NativeModel, build: Any, kind: ProofKind, rows: Any, place: str) -> ModelProof:
    form = native.lowered
    made = made_rows(form if isinstance(form, Forest) else None, form.n_features)
    if rows is not None:
        given = read_rows(rows, native.feature_names, form.n_features)
        absent = False if native.missing is None else np.isnan(given) & native.missing
        made = np.concatenate([given[(np.isfinite(given) | absent).all(axis=1)], made])
    return prove_model(native, build, made, kind=kind, place=place)


def _metadata(native: NativeModel) -> dict[str, str]:
    facts = {"gradus.source": native.library, "gradus.task": native.task}
    if native.feature_names is not None:
        facts["gradus.features"] = json.dumps(list(native.feature_names))
    return facts


def _margin(native: NativeModel) -> Any:
    """Return what makes the graph of the raw scores, when it is first asked for; None if there are none."""
    form = native.lowered
    if native.margins is None or not isinstance(form, Forest):
        return None
    scale = native.margin_scale
    raw = dataclasses.replace(form, link="identity", scale=form.scale / scale, base=form.base / scale)
    return lambda: build_values(raw, encoding="compact", metadata={}).model_bytes
