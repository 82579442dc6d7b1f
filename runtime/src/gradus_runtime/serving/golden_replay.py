"""What must hold before a level serves: the version of onnxruntime, the graph, the golden rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradus_runtime.contracts import graph, npz_file
from gradus_runtime.contracts.manifest import EXACT, Level, Manifest
from gradus_runtime.errors import EnvironmentFailedError, IntegrityError, let_signals_through
from gradus_runtime.records import dataclass
from gradus_runtime.rows.base import Float32
from gradus_runtime.sessions.level_session import RowBuffer
from gradus_runtime.sessions.library import ort, release_of
from gradus_runtime.sessions.onnx_session import OnnxSession

__all__ = ["GoldenRows", "check_onnxruntime", "read_golden", "replay_golden_rows"]

SINGLE_ROWS = 8
"""Number of golden rows also replayed one at a time, as `decide` scores them."""

_TYPES = {graph.INPUT: "tensor(float)", graph.PROBABILITIES: "tensor(float)", graph.LABEL: "tensor(int64)"}


@dataclass(frozen=True, slots=True)
class GoldenRows:
    """Rows with known answers: `features` float32 [R, F], and per level float32 [R, C]."""

    features: Float32
    answers: Mapping[str, Float32]


def check_onnxruntime(manifest: Manifest, installed: str = ort.__version__) -> None:
    """Refuse an onnxruntime that is too old for an artifact or known to compute wrongly.

    Raises:
        EnvironmentFailedError: It is; the message says which to install.
    """
    need = manifest.runtime
    place = f"artifact {manifest.name} {manifest.version}"
    if release_of(installed) < release_of(need.minimum):
        raise EnvironmentFailedError(
            f"onnxruntime must be at least {need.minimum}",
            place=place,
            value=installed,
            hint="pip install --upgrade onnxruntime.",
        )
    if release_of(installed) in [release_of(bad) for bad in need.known_bad]:
        raise EnvironmentFailedError(
            f"onnxruntime must be none of {', '.join(need.known_bad)}, which compute wrongly",
            place=place,
            value=installed,
            hint="Install another version of onnxruntime.",
        )


def read_golden(data: bytes, place: str) -> GoldenRows:
    """Read `golden.npz`.

    Raises:
        IntegrityError: It is no such file.
    """
    found = npz_file.read(data, place=place, error=IntegrityError)
    try:
        arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in found.items()}
    except ValueError as e:
        let_signals_through(e)
        raise IntegrityError("golden rows must be numbers", place=place, cause=str(e)) from None
    if "features" not in arrays:
        raise IntegrityError("golden rows must hold `features`", place=place)
    features = arrays.pop("features")
    return GoldenRows(features, arrays)


def replay_golden_rows(session: OnnxSession, manifest: Manifest, level: Level, golden: GoldenRows) -> None:
    """Replay the golden rows through a session that will serve, as a batch if it takes one, and one by one.

    Raises:
        IntegrityError: The graph is of another artifact, or its answers differ from the golden ones.
    """
    place = f"{manifest.name} {manifest.version} {level.file}"
    _check_graph(session, manifest, level, place)
    names = manifest.feature_names
    columns = [names.index(name) for name in manifest.level_features(level)]
    expected = golden.answers.get(level.name)
    shape = (len(golden.features), len(manifest.classes))
    if expected is None or expected.shape != shape or golden.features.shape[1:] != (len(names),):
        raise IntegrityError(
            f"golden rows must hold answers of {level.name} of shape {shape}",
            place=place,
            value=None if expected is None else expected.shape,
        )
    features = np.ascontiguousarray(golden.features[:, columns])
    learned = manifest.learned_features
    may_lack = np.array([name in learned for name in manifest.level_features(level)], np.bool_)
    usable = (np.isfinite(features) | (np.isnan(features) & may_lack)).all(axis=1)
    features, expected = features[usable], expected[usable]
    if not len(features):
        raise IntegrityError("golden rows must have a row that the level can serve", place=place)
    got, labels = session.replay(features)
    tolerance = None if level.bits == EXACT else manifest.golden.tolerance
    _check_answers(got, expected, tolerance, place)
    single = np.empty_like(expected[:SINGLE_ROWS])
    cell = RowBuffer(session, features.shape[1], len(manifest.classes))
    for i in range(len(single)):
        cell.features[:] = features[i]
        single[i] = cell.run()
    _check_answers(single, expected[:SINGLE_ROWS], tolerance, place)
    if labels is not None and (labels != got.argmax(axis=1)).any():
        raise IntegrityError("a label must be the class of the largest probability", place=place)


def _check_graph(session: OnnxSession, manifest: Manifest, level: Level, place: str) -> None:
    for key, value in graph.expected_metadata(manifest, level).items():
        found = session.metadata.get(key)
        if found != value:
            raise IntegrityError(
                f"metadata_props[{key!r}] must be {value!r}", place=place, value=found or "nothing"
            )
    ends = session.ends()
    for name, kind in _TYPES.items():
        if session.one_row and name == graph.LABEL:
            continue
        if ends.get(name) != kind:
            raise IntegrityError(
                f"the graph must have {name}, {kind}", place=place, value=ends.get(name, "nothing")
            )


def _check_answers(got: Float32, expected: Float32, tolerance: float | None, place: str) -> None:
    """Hold answers to the golden ones; without a tolerance, to their bits."""
    difference = float(np.abs(got.astype(np.float64) - expected).max())
    if tolerance is None:
        same = bool((got.view(np.uint32) == expected.view(np.uint32)).all())
    else:
        same = difference <= tolerance
    if not same:
        how = "bit for bit" if tolerance is None else f"within {tolerance:g}"
        raise IntegrityError(
            f"golden rows must be reproduced {how}",
            place=place,
            value=difference,
            hint="The graph, or this onnxruntime, does not compute what was proved at conversion.",
        )
