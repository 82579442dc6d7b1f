"""The run folder: what training leaves and conversion reads. No pickle in it.

    RUN/training_metadata.json       written last: a folder without it is not finished
    RUN/feature_order.json
    RUN/features.onnx                the features graph, where features were computed from candles, with
    RUN/features.json                what it computes and how it is fed (`features_graph`), and
    RUN/candles.npz                  golden candles (`gradus_runtime.candles.golden`)
    RUN/holdout.npz                  features float32 [N, F] (NaN: unavailable), labels int64 [N] (class
                                     indices), timestamps int64 [N] (bar open, ms since 1970 UTC)
    RUN/oof.npz                      (for people) out-of-fold probabilities; conversion does not read it
    RUN/levels/LEVEL/MEMBER.txt      LightGBM text model
    RUN/levels/LEVEL/MEMBER.ubj      XGBoost UBJSON model
    RUN/levels/LEVEL/MEMBER.cbm      CatBoost model
    RUN/levels/LEVEL/MEMBER.skops    scikit-learn estimator
    RUN/report.html                  (unless `--no-report`)

`training_metadata.json` has three keys: `format`, `run` (this contract, `Run`), and `training` (details for
people and for the report, which conversion does not read).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.contracts.manifest import (
    Drift,
    GateResult,
    Histogram,
    Label,
    LevelCalibration,
    OrderOfService,
    Policy,
    Provenance,
    RowSpan,
    StatedCosts,
    Verdict,
)
from gradus_runtime.errors import DataError
from gradus_runtime.records import dataclass

__all__ = [
    "FORMAT",
    "FORMAT_1",
    "METADATA",
    "NOTHING_FOUND",
    "FeatureStatistics",
    "Findings",
    "Run",
    "RunGraph",
    "RunLevel",
    "RunMember",
    "dump",
    "load",
]

FORMAT = "gradus-run/2"
FORMAT_1 = "gradus-run/1"
METADATA = "training_metadata.json"
MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class RunMember:
    """A trained model: its library, as gradus-convert's readers name it; file relative to the run folder.

    `classes` are the indices into `Run.classes` of the columns of its `predict_proba`, in their order: all of
    them, unless its training rows lacked a class.
    """

    name: str
    library: str
    file: str
    sha256: str
    weight: float
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunLevel:
    """A trained level. `vote` is "soft" or "hard"; `metrics` are of the holdout rows."""

    name: str
    members: tuple[RunMember, ...]
    vote: str
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """A feature over the training rows that have it."""

    name: str
    minimum: float
    maximum: float
    histogram: Histogram


@dataclass(frozen=True, slots=True)
class RunGraph:
    """Digests of `features.json` and `candles.npz`; that of the graph stands in the former."""

    spec_sha256: str
    golden_sha256: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What training found, each None where it did not look; conversion copies it into the manifest.

    `measured` are the rows that figures are of, `shipped` those that the final models were fitted on; `drift`
    is how much features usually move, `calibration` the levels whose vote has a temperature. `policy` is None
    for the most probable class.
    """

    label: Label | None
    costs: StatedCosts | None
    order_of_service: OrderOfService | None
    gates: tuple[GateResult, ...] | None
    verdict: Verdict | None
    measured: RowSpan | None
    shipped: RowSpan | None
    drift: Drift | None = None
    policy: Policy | None = None
    calibration: tuple[LevelCalibration, ...] | None = None


NOTHING_FOUND = Findings(None, None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Run:
    """What conversion needs of a run. Levels are in order, best first; a run may lack some levels.

    `members_dropped` are those of the configuration that were left out on the command line.
    """

    classes: tuple[str, ...]
    levels: tuple[RunLevel, ...]
    features: tuple[FeatureStatistics, ...]
    holdout_rows: int
    holdout_sha256: str
    gate_passed: bool | None
    provenance: Provenance
    found: Findings = NOTHING_FOUND
    members_dropped: tuple[str, ...] = ()
    features_graph: RunGraph | None = None


def dump(run: Run, training: Mapping[str, Any]) -> bytes:
    """Return the bytes of `training_metadata.json`."""
    return strict_json.canonical_bytes({"format": FORMAT, "run": codec.encode(run), "training": training})


def load(folder: Path) -> Run:
    """Read and check the metadata of a run folder.

    Raises:
        DataError: Missing, unfinished, or a broken rule.
    """
    path = folder / METADATA
    try:
        data = path.read_bytes()
    except OSError as e:
        raise DataError(
            "a run folder must hold finished training",
            place=str(path),
            cause=e.strerror,
            hint="Run `gradus train`, or `gradus train --resume` if it was interrupted.",
        ) from None
    value = strict_json.parse(data, place=str(path), max_bytes=MAX_BYTES, error=DataError)
    name = value.get("format") if isinstance(value, dict) else None
    if name not in (FORMAT, FORMAT_1):
        raise DataError(f"format must be {FORMAT!r} or {FORMAT_1!r}", place=str(path), value=name)
    run = value.get("run")
    if name == FORMAT_1 and isinstance(run, dict):  # before training said what it found
        nothing = {"found": codec.encode(NOTHING_FOUND), "members_dropped": [], "features_graph": None}
        run = {**run, **nothing}
    if isinstance(run, dict) and isinstance(run.get("found"), dict):  # written before these were found
        run = {**run, "found": {"drift": None, "policy": None, "calibration": None, **run["found"]}}
    return codec.decode(Run, run, place=f"{path}: run", error=DataError)
