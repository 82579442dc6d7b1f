"""Small artifacts of trees in the compact encoding, as the converter compiles them."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
from tests.support.forests import random_forest
from tests.support.stores import manifest_for, write_folder

from gradus_convert.graphs import VotingMember, build_level
from gradus_runtime.contracts.graph import expected_metadata
from gradus_runtime.sessions.onnx_session import open_session

__all__ = ["compact_version"]


def compact_version(folder: Path, version: str, *, seed: int = 4) -> Path:
    """Write a version with three levels of 60 random trees into a folder; return its own."""
    bare = manifest_for({}, version)
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(bare.golden.rows, len(bare.features))).astype(np.float32)
    files: dict[str, bytes] = {}
    arrays: dict[str, np.ndarray] = {"features": rows}
    for i, level in enumerate(bare.levels):
        names = bare.level_features(level)
        outputs = tuple(range(len(bare.classes)))
        forest = random_forest(seed + i, trees=60, depth=7, n_features=len(names), n_outputs=len(outputs))
        members = [VotingMember("m", 1.0, forest, outputs)]
        metadata = expected_metadata(bare, level)
        model = build_level(members, list(names), bare.classes, metadata=metadata).model_bytes
        files[level.file] = model
        columns = [bare.feature_names.index(n) for n in names]
        arrays[level.name] = open_session(model, "compact", 1).replay(rows[:, columns])[0]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    files["golden.npz"] = buffer.getvalue()
    levels = tuple(
        dataclasses.replace(level, encoding="compact", bits="exact", opsets={"ai.onnx": 13})
        for level in bare.levels
    )
    write_folder(folder / version, manifest_for(files, version, levels=levels).to_bytes(), files)
    return folder / version
