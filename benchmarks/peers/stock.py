"""Stock ONNX: onnxmltools' and skl2onnx' graphs of the members, a session each, voted in numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.peers.scorer import MemberFile, Scorer, read_members, vote, write_members

__all__ = ["load", "prepare"]


def prepare(run: Path, folder: Path) -> None:
    """Convert each member with the converter that its library's users are pointed to."""
    from benchmarks.peers import source

    kept = []
    for member in source.members(run):
        file = f"{member.name}.onnx"
        (folder / file).write_bytes(_convert(member).SerializeToString())
        kept.append(MemberFile(member.name, member.weight, file))
    write_members(folder, kept)


def _convert(member: Any) -> Any:
    import lightgbm
    import onnxmltools
    import skl2onnx
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from skl2onnx.common.data_types import FloatTensorType as SklearnFloatTensorType

    from benchmarks.peers import source

    if member.library == "lightgbm":
        booster = lightgbm.Booster(model_file=member.path)
        types = [("input", FloatTensorType([None, booster.num_feature()]))]
        return onnxmltools.convert_lightgbm(booster, initial_types=types, zipmap=False)
    if member.library == "xgboost":
        model = xgboost.XGBClassifier()
        model.load_model(member.path)
        types = [("input", FloatTensorType([None, model.n_features_in_]))]
        return onnxmltools.convert_xgboost(model, initial_types=types)
    forest = source.forest(member.path)
    types = [("input", SklearnFloatTensorType([None, forest.n_features_in_]))]
    return skl2onnx.to_onnx(forest, initial_types=types, options={"zipmap": False})


def load(folder: Path, threads: int) -> Scorer:
    """Open one session a member, with onnxruntime's defaults but for the threads."""
    return vote([(m.weight, _session(folder / m.file, threads)) for m in read_members(folder)])


def _session(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(["probabilities"], {"input": rows})[0]
