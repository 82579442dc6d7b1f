"""How cost grows: with 1, 2 and 4 times the trees, the rows of a batch, and the levels."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from benchmarks.execution import Sample, in_turns, work
from benchmarks.levels import LevelSet
from benchmarks.measures import Bench, Figures, artifact_mib, fresh_folder
from benchmarks.reference import reference
from benchmarks.results import Growth
from benchmarks.subjects import SUBJECTS, write_rows
from benchmarks.summary import grows_linearly, medians
from gradus_runtime.contracts import run_folder

__all__ = ["measure_growth", "verdicts"]

FACTORS = (1, 2, 4)
_BATCH = 10_000
"""Rows of the batch that is doubled."""

_FIGURES = {
    "trees": (
        "prepare_s",
        "prepare_peak_mib",
        "artifact_mib",
        "load_ms",
        "first_peak_mib",
        "p50_us",
        "us_per_row_10000",
    ),
    "rows": ("batch_ms", "batch_peak_mib"),
    "levels": ("prepare_s", "prepare_peak_mib", "artifact_mib", "load_ms", "peak_mib"),
}


def measure_growth(bench: Bench) -> tuple[Growth, ...]:
    """Measure every axis."""
    found: list[Growth] = []
    for axis, measure in (("trees", _trees), ("rows", _rows), ("levels", _levels)):
        by_factor = bench.step(f"growth/{axis}", functools.partial(measure, bench))
        found += verdicts(axis, by_factor)
    return tuple(found)


def verdicts(axis: str, by_factor: Mapping[str, Sample]) -> list[Growth]:
    """Return a verdict a figure; `by_factor` is keyed by the factor as text."""
    return [
        Growth(
            axis=axis,
            peer="gradus",
            figure=figure,
            factors=tuple(float(f) for f in FACTORS),
            costs=tuple(by_factor[str(f)][figure] for f in FACTORS),
            linear=grows_linearly(FACTORS, [by_factor[str(f)][figure] for f in FACTORS]),
        )
        for figure in _FIGURES[axis]
    ]


def _trees(bench: Bench) -> Figures:
    """The best level with 50, 100 and 200 rounds and trees a member."""
    folders, rows = {}, {}
    figures: Figures = {}
    for factor in FACTORS:
        run = reference(f"trees{factor}", bench.cache)
        key = str(factor)
        folders[key] = fresh_folder(bench.cache / "growth" / run.name)
        rows[key] = bench.cache / "rows" / run.name
        write_rows(run, rows[key], 10_000, 30)
        made = work(bench.pythons["workspace"], "prepare", "gradus", folders[key], run=run)
        figures[key] = {**made, "artifact_mib": artifact_mib(folders[key])}

    def sample(key: str) -> Sample:
        return work(
            bench.pythons["runtime"],
            "serve",
            "gradus",
            folders[key],
            threads=1,
            single=rows[key] / "single.npy",
            seconds=bench.profile.seconds,
            rows=rows[key] / "batch.npy",
            sizes=[10_000],
        )

    _add(figures, in_turns(figures, bench.profile.repetitions, sample))
    return figures


def _rows(bench: Bench) -> Figures:
    """The reference ensemble, batches of 10,000, 20,000 and 40,000 rows, each in a process of its own."""
    run = SUBJECTS["large"].run(bench.cache)
    folder = bench.cache / "peers" / run.name / "gradus"
    rows = bench.cache / "rows" / run.name / "batch.npy"

    def batch(key: str) -> Sample:
        size = _BATCH * int(key)
        taken = work(bench.pythons["runtime"], "serve", "gradus", folder, threads=1, rows=rows, sizes=[size])
        return {
            "batch_ms": taken[f"us_per_row_{size}"] * size / 1e3,
            "batch_peak_mib": taken[f"batch_peak_mib_{size}"],
        }

    figures: Figures = {str(f): {} for f in FACTORS}
    _add(figures, in_turns(figures, bench.profile.repetitions, batch))
    return figures


def _levels(bench: Bench) -> Figures:
    """Artifacts of 1, 2 and 4 levels, all levels loaded."""
    run = reference("levels4", bench.cache)
    names = tuple(level.name for level in run_folder.load(run).levels)
    figures: Figures = {}
    for factor in FACTORS:
        held = LevelSet(bench, run, names[:factor], ("gradus_preloaded",))
        figures[str(factor)] = held.prepare()["gradus_preloaded"] | held.resident()["gradus_preloaded"]
    return figures


def _add(figures: Figures, turns: tuple[Mapping[str, list[Sample]], Mapping[str, str]]) -> None:
    samples, failed = turns
    if failed:
        raise RuntimeError(f"growth could not be measured: {failed}")
    for key, taken in samples.items():
        figures[key] |= medians(taken)
