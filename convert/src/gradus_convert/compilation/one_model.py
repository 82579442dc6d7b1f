"""One model that a reader has lowered, to a graph: compiled, and proved."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Protocol

import numpy as np

from gradus_convert.compilation.facts import facts_of
from gradus_convert.compilation.given_rows import read_given_rows
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.compilation.proof_rows import made_rows
from gradus_convert.errors import InexactModelError
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import LevelGraph, VotingMember, build_level
from gradus_convert.graphs.labels import label_values
from gradus_convert.graphs.types import Encoding, Front
from gradus_convert.graphs.values import build_values
from gradus_convert.parity.model_proof import ModelProof, ProofKind, prove_model
from gradus_convert.readers import NativeModel

__all__ = ["Build", "builder", "compile_native", "metadata_of", "raw_scores"]


def compile_native(
    native: NativeModel, *, proof: ProofKind, encoding: Encoding, rows: Any = None, place: str
) -> CompiledModel:
    """Compile what a reader has read.

    Raises:
        InexactModelError: It has no exact form.
        ParityError: The proof failed.
    """
    build = builder(native, encoding, place, None, metadata_of(native))
    report = None if proof == "off" else _prove(native, build, proof, rows, place)
    graph = build(False, named=True)
    return CompiledModel(
        graph.model_bytes,
        facts_of(native),
        encoding=graph.encoding,
        bits=graph.bits,
        proof=report,
        margin=raw_scores(native, None),
    )


class Build(Protocol):
    """Makes a graph: with the output `leaves` if asked, with the user's labels if `named`."""

    def __call__(self, leaves: bool, named: bool = False) -> LevelGraph:
        """Make it."""


def builder(
    native: NativeModel, encoding: Encoding, place: str, front: Front | None, metadata: dict[str, str]
) -> Build:
    """Return what makes the graphs of a model.

    Raises:
        InexactModelError: A graph cannot hold its labels, or it has values and no trees.
    """
    labels = None if native.labels is None else label_values(native.labels)
    if native.predicts == "labels" and native.labels is not None and labels is None:
        raise InexactModelError(
            "labels must be numbers, texts or booleans", place=place, value=list(native.labels)[:5]
        )
    form = native.lowered
    if native.task == "values" and not isinstance(form, Forest):
        raise InexactModelError("a model of values must be of trees", place=place)

    def build(leaves: bool, named: bool = False) -> LevelGraph:
        if native.task == "values" and isinstance(form, Forest):
            return build_values(form, encoding=encoding, metadata=metadata, leaves=leaves, front=front)
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
            front=front,
            alone=True,
        )

    return build


def _prove(native: NativeModel, build: Any, kind: ProofKind, rows: Any, place: str) -> ModelProof:
    form = native.lowered
    made = made_rows(form if isinstance(form, Forest) else None, form.n_features)
    if rows is not None:
        given = read_given_rows(rows, native.feature_names, form.n_features, native.categories)
        absent = False if native.missing is None else np.isnan(given) & native.missing
        made = np.concatenate([given[(np.isfinite(given) | absent).all(axis=1)], made])
    return prove_model(native, build, made, kind=kind, place=place)


def metadata_of(native: NativeModel) -> dict[str, str]:
    """Return what a graph says of the model it was made of."""
    facts = {"gradus.source": native.library, "gradus.task": native.task}
    if native.feature_names is not None:
        facts["gradus.features"] = json.dumps(list(native.feature_names))
    if native.categories:
        facts["gradus.categories"] = json.dumps(native.categories)
    return facts


def raw_scores(native: NativeModel, front: Front | None) -> Any:
    """Return what makes the graph of the raw scores, when it is first asked for; None if there are none."""
    form = native.lowered
    if native.margins is None or not isinstance(form, Forest):
        return None
    scale = native.margin_scale
    raw = dataclasses.replace(form, link="identity", scale=form.scale / scale, base=form.base / scale)
    return lambda: build_values(raw, encoding="compact", metadata={}, front=front).model_bytes
