"""The door: a model in, a compiled and proved model out."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal, get_args

from gradus_convert.compilation.facts import facts_of
from gradus_convert.compilation.given_rows import read_mixed
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.compilation.one_model import builder, compile_native, metadata_of, raw_scores
from gradus_convert.compilation.pipeline_proof import prove_front
from gradus_convert.compilation.pipelines import is_pipeline, prepare
from gradus_convert.compilation.votes import compile_votes, is_vote
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs.types import Encoding
from gradus_convert.parity.model_proof import ModelProof, ProofKind
from gradus_convert.readers import NativeModel, read_file, read_model, skops
from gradus_convert.readers.formats import PICKLE, format_of
from gradus_runtime.errors import UsageError

__all__ = ["compile_model", "compile_object", "compile_with_front"]

Inputs = Literal["float32", "float64"]


def compile_model(
    model: Any,
    *,
    proof: ProofKind = "full",
    encoding: Encoding = "auto",
    rows: Any = None,
    inputs: Inputs = "float32",
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
        rows: Some rows of data [N, F], for the proof, as the model takes them; they stand beside rows that
            are made from its thresholds. Not with an ONNX file or a pickle.
        inputs: "float32", or "float64" for rows whose values no float32 is: then LightGBM and
            HistGradientBoosting, which compare float64, answer as they do on those very rows, at the cost of
            a comparison with every threshold of a column. A pipeline always takes float64.

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
    if inputs not in get_args(Inputs):
        known = ", ".join(get_args(Inputs))
        rule = "inputs must be known"
        raise UsageError(rule, place="compile(inputs)", value=inputs, hint=f"Known: {known}.")
    if not isinstance(model, str | os.PathLike):
        return compile_object(model, proof, encoding, rows, inputs, "model")
    path = Path(model)
    kind = format_of(path)
    if rows is not None and kind in ("onnx", "pickle"):
        rule = "rows can be given with models and files that their library reads"
        hint = "Leave rows out: an ONNX file is proven on rows made for it, and a pickle in another process."
        raise UsageError(rule, place="compile(rows)", value=kind, hint=hint)
    if kind == "onnx":
        from gradus_convert.compilation.onnx_model import compile_onnx

        return compile_onnx(path)
    if kind == PICKLE:
        from gradus_convert.compilation.pickled import compile_pickle

        return compile_pickle(path, proof=proof, encoding=encoding)
    if kind == "sklearn":
        return compile_object(skops.load(path), proof, encoding, rows, inputs, str(path))
    native = read_file(path, kind, values=True)
    if inputs == "float64":
        return compile_with_front(None, native, proof, encoding, rows, str(path))
    return compile_native(native, proof=proof, encoding=encoding, rows=rows, place=str(path))


def compile_object(
    model: Any, proof: ProofKind, encoding: Encoding, rows: Any, inputs: Inputs, place: str
) -> CompiledModel:
    """Compile a model in memory."""
    if is_pipeline(model):
        final = read_model(model.steps[-1][1], place=place, values=True)
        if isinstance(final.lowered, Forest):
            return compile_with_front(model, final, proof, encoding, rows, place)
    if is_vote(model):
        return compile_votes(model, proof=proof, encoding=encoding, rows=rows, place=place)
    native = read_model(model, place=place, values=True)
    if inputs == "float64":
        return compile_with_front(None, native, proof, encoding, rows, place)
    return compile_native(native, proof=proof, encoding=encoding, rows=rows, place=place)


def compile_with_front(
    pipeline: Any, final: NativeModel, proof: ProofKind, encoding: Encoding, rows: Any, place: str
) -> CompiledModel:
    """Compile trees and what stands before them: the trees are proven alone, then both together.

    Raises:
        InexactModelError: A step has no exact form.
        ParityError: The proof failed.
    """
    inner, source = prepare(pipeline, final, place)
    trees = compile_native(inner, proof=proof, encoding=encoding, place=place)
    build = builder(inner, encoding, place, source.front, metadata_of(final) | source.metadata())
    report = trees.proof
    facts = dataclasses.replace(facts_of(final), **source.facts())
    if proof != "off" and isinstance(report, ModelProof):
        given = None if rows is None else read_mixed(rows, facts)
        report = prove_front(source, build, report, given, place)
    graph = build(False, named=True)
    margin = raw_scores(inner, source.front)
    return CompiledModel(
        graph.model_bytes, facts, encoding=graph.encoding, bits=graph.bits, proof=report, margin=margin
    )
