"""Writing the run folder. Its files are put in place one by one; the metadata, which makes it a run, last."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradus_runtime.candles.reading import iso_time
from gradus_runtime.contracts import codec, features_graph, run_folder, strict_json
from gradus_runtime.contracts.features_graph import GOLDEN_FILE, GRAPH_FILE, SPEC_FILE
from gradus_runtime.contracts.manifest import Provenance
from gradus_runtime.contracts.run_folder import METADATA, Findings, Run, RunGraph, RunLevel, RunMember
from gradus_runtime.errors import UsageError
from gradus_runtime.store import disk
from gradus_runtime.store.whole_file import write_whole
from gradus_train.data.dataset import Dataset
from gradus_train.evaluation.details import Details
from gradus_train.evaluation.scoreboard import flat_metrics, spread
from gradus_train.kinds import KINDS
from gradus_train.training.assemble import LevelResult
from gradus_train.training.feature_statistics import feature_statistics
from gradus_train.training.prepare import Plan, library_versions

__all__ = ["check_target", "check_writable", "write_run"]

_KNOWN = frozenset(
    {
        METADATA,
        "feature_order.json",
        GRAPH_FILE,
        SPEC_FILE,
        GOLDEN_FILE,
        "holdout.npz",
        "oof.npz",
        "levels",
        "parts",
        "tuning",
    }
)


def check_target(out: Path) -> None:
    """Refuse to write a run into a folder that holds something else, or cannot be written. Leaves no trace.

    Raises:
        UsageError: It holds something else, or is none.
        EnvironmentFailedError: It cannot be written.
    """
    check_writable(out)
    with disk.failing("the run folder must be readable", str(out), reading=True):
        others: list[str] = []
        if out.is_dir() and not (out / METADATA).exists():
            others = sorted(p.name for p in out.iterdir() if p.name not in _KNOWN)
    if others:
        raise UsageError(
            "--out must be new, empty, or a run folder",
            place=str(out),
            value=others[:5],
            hint="Name another folder.",
        )


def check_writable(out: Path) -> None:
    """Write where a folder is, or would be made, without a trace: rights do not tell of a read-only disk.

    Raises:
        UsageError: It is no folder, or below a file.
        EnvironmentFailedError: It cannot be written.
    """
    with disk.failing("--out must be writable", str(out)):
        folder = out.absolute()
        while not disk.exists(folder):
            folder = folder.parent
        if not disk.is_folder(folder):
            raise UsageError("--out must be a folder", place=str(out), value=f"the file {folder}")
        with tempfile.TemporaryFile(dir=folder):
            pass


def write_run(
    plan: Plan,
    results: Sequence[LevelResult],
    details: Details,
    out: Path,
    *,
    found: Findings,
    gate_passed: bool | None,
    git_commit: str | None,
    timings: Mapping[str, float],
) -> Run:
    """Write models, holdout, out-of-fold probabilities and metadata; replaces the run that was there.

    Args:
        plan: The run.
        results: Its levels.
        details: What was measured.
        out: The folder.
        found: What the manifest says of it.
        gate_passed: None where gates were not asked.
        git_commit: Of the configuration's repository.
        timings: Seconds by part; the only thing in the folder that differs between two equal runs.

    Returns:
        The contract part of the metadata.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / METADATA).unlink(missing_ok=True)
    (out / "report.html").unlink(missing_ok=True)
    if (out / "levels").exists():
        shutil.rmtree(out / "levels")
    holdout = _holdout(plan)
    write_whole(out / "holdout.npz", holdout)
    write_whole(out / "oof.npz", _out_of_fold(plan, results))
    write_whole(out / "feature_order.json", strict_json.canonical_bytes(plan.order.to_json()))
    graph = _write_graph(plan.dataset, out)
    levels = tuple(
        _write_level(plan, result, flat_metrics(d), out)
        for result, d in zip(results, details.levels, strict=True)
    )
    shipped = np.unique(np.concatenate([r.shipped_rows for r in results]))
    run = Run(
        classes=plan.dataset.classes,
        levels=levels,
        features=feature_statistics(plan.dataset.names, plan.dataset.features[shipped]),
        holdout_rows=len(plan.timeline.holdout),
        holdout_sha256=hashlib.sha256(holdout).hexdigest(),
        gate_passed=gate_passed,
        provenance=_provenance(plan, len(shipped), git_commit),
        found=found,
        members_dropped=plan.config.members_dropped,
        features_graph=graph,
    )
    training = {
        "details": codec.encode(details),
        "config": plan.config.to_json(),
        "timings": dict(timings),
    }
    write_whole(out / METADATA, run_folder.dump(run, training))
    return run


def _write_graph(dataset: Dataset, out: Path) -> RunGraph | None:
    """Write the features graph, or take away that of the run before; a table of one's own has none."""
    if dataset.graph is None or dataset.golden is None:
        for name in (SPEC_FILE, GRAPH_FILE, GOLDEN_FILE):
            (out / name).unlink(missing_ok=True)
        return None
    spec, golden = features_graph.dump(dataset.graph.spec), dataset.golden.to_bytes()
    for name, data in ((GRAPH_FILE, dataset.graph.model), (SPEC_FILE, spec), (GOLDEN_FILE, golden)):
        write_whole(out / name, data)
    return RunGraph(hashlib.sha256(spec).hexdigest(), hashlib.sha256(golden).hexdigest())


def _write_level(plan: Plan, result: LevelResult, metrics: Mapping[str, float], out: Path) -> RunLevel:
    folder = out / "levels" / result.plan.name
    folder.mkdir(parents=True)
    members = []
    for member in plan.config.members:
        kind, part = KINDS[member.kind], result.shipped[member.name]
        file = f"levels/{result.plan.name}/{member.name}{kind.suffix}"
        write_whole(out / file, part.model)
        members.append(
            RunMember(
                name=member.name,
                library=kind.library,
                file=file,
                sha256=hashlib.sha256(part.model).hexdigest(),
                weight=float(result.weights[member.name]),
                classes=part.classes,
            )
        )
    return RunLevel(result.plan.name, tuple(members), plan.config.vote.kind, metrics)


def _holdout(plan: Plan) -> bytes:
    rows = plan.timeline.holdout
    buffer = io.BytesIO()
    np.savez(
        buffer,
        features=plan.dataset.features[rows],
        labels=plan.dataset.labels[rows],
        timestamps=plan.dataset.timestamps[rows],
    )
    return buffer.getvalue()


def _out_of_fold(plan: Plan, results: Sequence[LevelResult]) -> bytes:
    """For the development rows: labels, timestamps, and LEVEL and LEVEL.MEMBER float64 [N, C] (NaN: none)."""
    rows, n = plan.timeline.development, len(plan.dataset.labels)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "labels": plan.dataset.labels[rows],
        "timestamps": plan.dataset.timestamps[rows],
    }
    for result in results:
        if result.folds:
            tested = np.concatenate([f.test_rows for f in result.folds])
            votes = np.concatenate([f.vote for f in result.folds])
            arrays[result.plan.name] = spread(n, tested, votes)[rows]
            for name in result.final:
                said = np.concatenate([f.members[name] for f in result.folds])
                arrays[f"{result.plan.name}.{name}"] = spread(n, tested, said)[rows]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own options
    return buffer.getvalue()


def _provenance(plan: Plan, rows: int, git_commit: str | None) -> Provenance:
    both = (
        plan.config.sha256() + hashlib.sha256(strict_json.canonical_bytes(plan.order.to_json())).hexdigest()
    )
    stamps = plan.dataset.timestamps
    return Provenance(
        simulated=plan.dataset.simulated,
        data_sha256=plan.dataset.data_sha256,
        data_start=iso_time(stamps[0]),
        data_end=iso_time(stamps[-1]),
        rows=rows,
        config_sha256=hashlib.sha256(both.encode()).hexdigest(),
        git_commit=git_commit,
        libraries=library_versions(),
        seed=plan.config.seed,
    )
