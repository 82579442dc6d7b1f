"""The stock converters, onnxmltools and skl2onnx, held against the libraries on the same rows.

Nothing here decides: it tells what a user would have got otherwise.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradus_convert.forest.ir import Forest
from gradus_convert.parity.compiled import Compiled, ahead, slices
from gradus_convert.readers.native import NativeModel
from gradus_convert.readers.table import READERS, function

__all__ = ["LIMIT", "MAX_NODES", "ThirdOpinion", "ask"]

LIMIT = 1e-5
MAX_NODES = 150_000
"""Larger members are not asked: their stock conversion takes more memory than the rest of a conversion."""


@dataclass(frozen=True, slots=True)
class ThirdOpinion:
    """How a stock conversion of a member answers.

    Attributes:
        member: Name of the member.
        converter: Distribution and version of the converter.
        rows: Rows compared.
        wrong: Rows with a probability off by more than 1e-5; None if there is no conversion.
        largest: The largest difference, 0 if there is no conversion.
        failure: Why there is none, empty otherwise.
    """

    member: str
    converter: str
    rows: int
    wrong: int | None
    largest: float
    failure: str


def ask(name: str, native: NativeModel, X: npt.NDArray[np.float32]) -> ThirdOpinion:
    """Convert a member the usual way and compare its probabilities.

    Args:
        name: Of the member.
        native: The member.
        X: float32 [N, F], finite.
    """
    stock = READERS[native.library].stock
    if stock is None:
        return ThirdOpinion(name, "none", 0, None, 0.0, "no converter is known")
    converter = f"{stock.distribution} {importlib.metadata.version(stock.distribution)}"
    if isinstance(native.lowered, Forest) and native.lowered.n_nodes > MAX_NODES:
        reason = f"not asked: more than {MAX_NODES:,} nodes"
        return ThirdOpinion(name, converter, 0, None, 0.0, reason)
    try:
        model = function(stock.convert)(native)
        said = _probabilities(model, X)
    except Exception as e:  # converters raise whatever they meet; that they do is the finding
        return ThirdOpinion(name, converter, len(X), None, 0.0, type(e).__name__)
    expected = native.probabilities(X)
    if said.shape != expected.shape:
        return ThirdOpinion(name, converter, len(X), None, 0.0, f"probabilities of shape {said.shape}")
    difference = np.nan_to_num(np.abs(said - expected), nan=np.inf).max(axis=1)
    wrong = int((difference > LIMIT).sum())
    return ThirdOpinion(name, converter, len(X), wrong, float(difference.max(initial=0.0)), "")


def _probabilities(model: Any, X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    graph, name = Compiled(model.SerializeToString()), model.graph.output[1].name
    parts = ahead(lambda part: graph.run(X[part], name), slices(len(X)))
    return np.concatenate([np.asarray(p, np.float64) for _, (p,) in parts])
