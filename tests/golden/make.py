"""Makes the small artifacts that the runtime's tests serve: `python tests/golden/make.py`.

They are written by onnx alone, so that the runtime is tested against graphs whose answers a test can work out
by hand: every feature is compared with some cuts, each exceeded cut adds a score to each class, and the
probabilities are the softmax of the scores. `tests/support/golden.py` computes the same in plain numpy.

    pair/   5 features in 2 groups, 2 levels, 2 classes, one version
    trio/   9 features in 3 groups, 3 levels, 3 classes, two versions
    gap/    6 features in 3 groups; level 2 lacks the group in the middle, so its columns have a gap
"""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gradus_runtime.contracts import graph
from gradus_runtime.contracts.manifest import (
    CLOSE,
    FORMAT_VERSION,
    DecisionPolicy,
    FeatureSpec,
    FileEntry,
    Golden,
    Histogram,
    Level,
    Manifest,
    Member,
    Parity,
    Provenance,
    RuntimeRequirement,
    declared,
)
from gradus_runtime.store import seal

FOLDER = Path(__file__).resolve().parent
CUTS = 8
GOLDEN_ROWS = 32
TRAINING_ROWS = 1000

PAIR = {"market": ("close", "volume", "rsi"), "outside": ("usd_jpy", "vix")}
TRIO = {
    "basic": ("close", "volume", "rsi", "atr"),
    "signals": ("breakout", "reversal"),
    "external_api": ("usd_jpy", "vix", "dxy"),
}
GAP = {"basic": ("close", "volume"), "outside": ("usd_jpy", "vix"), "more": ("rsi", "atr")}


def main() -> None:
    """Write every artifact anew."""
    for name, groups, classes, versions, dropped in (
        ("pair", PAIR, ("DOWN", "UP"), ("2026.11.21",), ("outside",)),
        ("trio", TRIO, ("SELL", "HOLD", "BUY"), ("2026.11.14", "2026.11.21"), ("external_api", "signals")),
        ("gap", GAP, ("SELL", "HOLD", "BUY"), ("2026.11.21",), ("outside", "more")),
    ):
        for seed, version in enumerate(versions, 1):
            write(FOLDER / name / version, name, version, groups, classes, seed, dropped)


def write(
    folder: Path,
    name: str,
    version: str,
    groups: Mapping[str, tuple[str, ...]],
    classes: tuple[str, ...],
    seed: int,
    dropped: tuple[str, ...],
) -> None:
    """Write one version's folder; each next level does without the next of the groups `dropped`."""
    random = np.random.Generator(np.random.PCG64(seed))
    names = [feature for group in groups.values() for feature in group]
    training = random.normal(0.0, 1.0, (TRAINING_ROWS, len(names))).astype(np.float32)
    cuts = np.sort(random.normal(0.0, 1.0, (len(names), CUTS)), axis=1).astype(np.float32)
    levels, features = [], training[:GOLDEN_ROWS]
    answers: dict[str, np.ndarray] = {"features": features}
    kept = list(groups)
    for gone in (None, *dropped):
        kept = [group for group in kept if group != gone]
        level = f"level{len(levels) + 1}"
        columns = [i for i, feature in enumerate(names) if any(feature in groups[g] for g in kept)]
        scores = (random.normal(0.0, 0.25, (len(columns), CUTS, len(classes)))).astype(np.float32)
        levels.append((level, tuple(kept), columns, scores))
        answers[level] = oracle(features[:, columns], cuts[columns], scores)
    manifest = _manifest(name, version, groups, classes, training, levels, cuts, seed)
    files = {"golden.npz": _npz(answers)}
    for level, (_, _, columns, scores) in zip(manifest.levels, levels, strict=True):
        files[level.file] = graph_bytes(cuts[columns], scores, graph.expected_metadata(manifest, level))
    _write_files(folder, manifest, files)


def oracle(features: np.ndarray, cuts: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Probabilities float32 [N, C] of features [N, F] with cuts [F, K] and scores [F, K, C], in float64."""
    above = (features[:, :, None] > cuts).astype(np.float64)
    margins = np.einsum("nfk,fkc->nc", above, scores.astype(np.float64))
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def graph_bytes(cuts: np.ndarray, scores: np.ndarray, metadata: Mapping[str, str]) -> bytes:
    """A graph that computes what `oracle` does, exact in its comparisons."""
    width, classes = cuts.shape[0], scores.shape[2]
    nodes = [
        helper.make_node("Unsqueeze", [graph.INPUT, "last"], ["column"]),
        helper.make_node("Greater", ["column", "cuts"], ["above"]),
        helper.make_node("Cast", ["above"], ["ones"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["ones", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "scores"], ["margins"]),
        helper.make_node("Softmax", ["margins"], [graph.PROBABILITIES], axis=1),
        helper.make_node("ArgMax", [graph.PROBABILITIES], [graph.LABEL], axis=1, keepdims=0),
    ]
    constants = {
        "last": np.array([2], np.int64),
        "flat": np.array([-1, width * CUTS], np.int64),
        "cuts": cuts,
        "scores": scores.reshape(width * CUTS, classes),
    }
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "gradus",
            [helper.make_tensor_value_info(graph.INPUT, TensorProto.FLOAT, ["N", width])],
            [
                helper.make_tensor_value_info(graph.PROBABILITIES, TensorProto.FLOAT, ["N", classes]),
                helper.make_tensor_value_info(graph.LABEL, TensorProto.INT64, ["N"]),
            ],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="gradus",
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _manifest(
    name: str,
    version: str,
    groups: Mapping[str, tuple[str, ...]],
    classes: tuple[str, ...],
    training: np.ndarray,
    levels: list[tuple[str, tuple[str, ...], list[int], np.ndarray]],
    cuts: np.ndarray,
    seed: int,
) -> Manifest:
    decision = DecisionPolicy(0.35, "HOLD", 0.5, (0.25, 0.5, 0.25), 20_000.0)
    if len(classes) == 2:
        decision = DecisionPolicy(0.35, "DOWN", 0.5, (0.5, 0.5), None)
    specs = []
    for i, (group, feature) in enumerate((g, f) for g, names in groups.items() for f in names):
        column = training[:, i]
        edges = np.quantile(column, np.linspace(0.1, 0.9, 9)).tolist()
        counts = np.bincount(np.searchsorted(edges, column, side="left"), minlength=10).tolist()
        histogram = Histogram(tuple(edges), tuple(counts))
        specs.append(
            FeatureSpec(feature, group, "float32", float(column.min()), float(column.max()), histogram)
        )
    made = []
    for level, kept, columns, scores in levels:
        labels = oracle(training[:, columns], cuts[columns], scores).argmax(axis=1)
        made.append(
            Level(
                name=level,
                groups=kept,
                file=f"{level}.onnx",
                encoding="cuts",
                bits=CLOSE,
                opsets={"": 17},
                vote="soft",
                members=(Member("cuts", "none", 1.0, len(columns) * CUTS, 3 * len(columns) * CUTS),),
                metrics={"accuracy": 0.5},
                class_counts=tuple(np.bincount(labels, minlength=len(classes)).tolist()),
                parity=Parity(GOLDEN_ROWS, 0, 0, 0, 0.0, 0, 0, None),
            )
        )
    return Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        version=version,
        classes=classes,
        decision=decision,
        features=tuple(specs),
        levels=tuple(made),
        golden=Golden("golden.npz", GOLDEN_ROWS, 1e-6),
        files=(),
        provenance=Provenance(
            simulated=True,
            data_sha256=hashlib.sha256(training.tobytes()).hexdigest(),
            data_start="2026-01-01T00:00:00Z",
            data_end="2026-11-01T00:00:00Z",
            rows=TRAINING_ROWS,
            config_sha256=hashlib.sha256(name.encode()).hexdigest(),
            git_commit=None,
            libraries={"onnx": onnx.__version__},
            seed=seed,
        ),
        runtime=RuntimeRequirement("1.20", ("1.26.0",)),
        aliases={"production_ensemble_full": "level1", "production_ensemble": "level2"},
        members_dropped=None,
        order_of_service=declared(level.name for level in made),
    )


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0)), part.getvalue())
    return buffer.getvalue()


def _write_files(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    import dataclasses

    entries = tuple(
        FileEntry(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(files.items())
    )
    manifest = dataclasses.replace(manifest, files=entries)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    (folder / "manifest.sha256").write_bytes(seal(manifest.digest()))


if __name__ == "__main__":
    main()
