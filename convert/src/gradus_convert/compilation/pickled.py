"""Pickles: read by the allow-list and compiled in a process of its own; nothing of the file is run."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradus_convert.compilation.facts import Facts
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.graphs.types import Encoding
from gradus_convert.isolation import call
from gradus_convert.parity.model_proof import ModelProof, ProofKind
from gradus_convert.pickles.ensemble import read_ensemble
from gradus_convert.pickles.run import default_limits
from gradus_convert.readers import read_model
from gradus_runtime.errors import DataError

__all__ = ["build", "compile_pickle"]

_MODEL, _MARGIN = "model.onnx", "margin.onnx"


def compile_pickle(path: Path, *, proof: ProofKind, encoding: Encoding) -> CompiledModel:
    """Compile the one classifier that a pickle or joblib file holds.

    Raises:
        GradusError: The file is refused, or holds no model that has an exact form.
        EnvironmentFailedError: The process crashed, or took too much memory or time.
    """
    with tempfile.TemporaryDirectory(prefix="gradus-compile-") as folder:
        task = {"path": str(path.absolute()), "folder": folder, "proof": proof, "encoding": encoding}
        limits = default_limits([path])
        result = call(f"{__name__}:build", task, limits, place=str(path), progress=lambda _: None)
        model = Path(folder, _MODEL).read_bytes()
        margin = Path(folder, _MARGIN).read_bytes() if result["margin"] else None
    facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in result["facts"].items()}
    return CompiledModel(
        model,
        Facts(**facts),
        encoding=str(result["encoding"]),
        bits=str(result["bits"]),
        proof=None if result["proof"] is None else ModelProof(**result["proof"]),
        margin=None if margin is None else lambda: margin,
    )


def build(task: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Do the work of `compile_pickle`: run in the other process; writes graphs to a folder."""
    from gradus_convert.compilation.one_model import compile_native

    path, folder = Path(task["path"]), Path(task["folder"])
    ensemble = read_ensemble((path,))
    if len(ensemble.members) != 1:
        raise DataError(
            "a file must hold one model",
            place=str(path),
            value=[m.name for m in ensemble.members],
            hint="For several models that vote: gradus import.",
        )
    rebuilt = ensemble.members[0].rebuilt
    native = read_model(rebuilt.model, place=str(path), values=True)
    if rebuilt.labels is not None and native.labels is None and native.task == "classes":
        native = dataclasses.replace(native, labels=rebuilt.labels, predicts="labels")
    if rebuilt.feature_names is not None:
        native = dataclasses.replace(native, feature_names=rebuilt.feature_names)
    compiled = compile_native(native, proof=task["proof"], encoding=task["encoding"], place=str(path))
    (folder / _MODEL).write_bytes(compiled.model_bytes)
    margin = compiled.margin_bytes()
    if margin is not None:
        (folder / _MARGIN).write_bytes(margin)
    return {
        "facts": dataclasses.asdict(compiled.facts),
        "encoding": compiled.encoding,
        "bits": compiled.bits,
        "proof": None if compiled.proof is None else dataclasses.asdict(compiled.proof),
        "margin": margin is not None,
    }
