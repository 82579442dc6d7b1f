"""Several levels at once: converted, stored, and held in memory together."""

from __future__ import annotations

from pathlib import Path

from benchmarks.catalog import PEERS
from benchmarks.execution import Sample, WorkerFailedError, in_turns, work
from benchmarks.measures import Bench, Figures, artifact_mib, fresh_folder
from benchmarks.parts import part
from benchmarks.progress import say
from benchmarks.results import Absent, Series, Subject
from benchmarks.subjects import write_single
from benchmarks.summary import medians
from gradus_runtime.contracts import feature_order, run_folder

__all__ = ["LevelSet", "measure_levels"]

_WHOLE = "gradus_preloaded"


class LevelSet:
    """Some levels of a run, and the peers that hold them.

    Args:
        bench: The run under way.
        run: A run folder.
        levels: Names of levels of it.
        peers: gradus_preloaded (an artifact with all the levels), or peers that hold a model a level.
    """

    def __init__(self, bench: Bench, run: Path, levels: tuple[str, ...], peers: tuple[str, ...]) -> None:
        self._bench = bench
        self._folder = bench.cache / "levels" / f"{run.name}-{len(levels)}"
        self._run = part(run, self._folder / "run", levels=levels)
        self._levels = levels
        self._key = f"{run.name}-{len(levels)}/absent"
        order = feature_order.load(run / "feature_order.json")
        self._widths = tuple(len(order.level_features(name)) for name in levels)
        self.absent: dict[str, str] = bench.progress.get(self._key) or {}
        self._peers = [p for p in peers if p not in self.absent]
        write_single(run, self._folder / "single.npy")

    def prepare(self) -> Figures:
        """Convert: gradus all levels in one go, the others level by level."""
        return {name: figures for name in list(self._peers) if (figures := self._prepare(name))}

    def _prepare(self, name: str) -> Sample:
        say(f"  {len(self._levels)} levels: prepare {name}")
        folder = fresh_folder(self._folder / name)
        samples = []
        try:
            for target, run in self._tasks(name):
                if target != folder:
                    target.mkdir()
                samples.append(work(self._bench.pythons["workspace"], "prepare", name, target, run=run))
        except WorkerFailedError as error:
            self._drop(name, str(error))
            return {}
        return {
            "prepare_s": sum(s["prepare_s"] for s in samples),
            "prepare_peak_mib": max(s["prepare_peak_mib"] for s in samples),
            "artifact_mib": artifact_mib(folder),
        }

    def _tasks(self, name: str) -> list[tuple[Path, Path]]:
        if name == _WHOLE:
            return [(self._folder / name, self._run)]
        return [
            (self._folder / name / level, part(self._run, self._folder / "parts" / level, levels=(level,)))
            for level in self._levels
        ]

    def resident(self) -> Figures:
        """Load all levels in one process, each answering one row."""

        def sample(name: str) -> Sample:
            whole = name == _WHOLE
            return work(
                self._bench.pythons[_serves(name)],
                "resident",
                name,
                self._folder / name,
                rows=self._folder / "single.npy",
                levels=["."] if whole else list(self._levels),
                widths=self._widths[:1] if whole else self._widths,
            )

        samples, failed = in_turns(self._peers, self._bench.profile.repetitions, sample)
        for name, reason in failed.items():
            self._drop(name, reason)
        return {name: medians(taken) for name, taken in samples.items()}

    def _drop(self, name: str, reason: str) -> None:
        say(f"  {len(self._levels)} levels: {name} is absent: {reason}")
        self.absent[name] = reason
        self._bench.progress.put(self._key, self.absent)
        self._peers.remove(name)


def _serves(name: str) -> str:
    return next((p.serves for p in PEERS if p.name == name), "runtime")


def measure_levels(bench: Bench, run: Path) -> Subject:
    """Hold all levels of a run, beside native libraries and stock ONNX."""
    names = tuple(level.name for level in run_folder.load(run).levels)
    held = LevelSet(bench, run, names, (_WHOLE, "native", "stock"))
    figures = [
        bench.step("levels/prepare", held.prepare),
        bench.step("levels/resident", held.resident),
    ]
    titles = {p.name: p.title for p in PEERS} | {_WHOLE: "gradus"}
    series = tuple(
        Series(name, titles[name], 1, bench.profile.repetitions, {**figures[0][name], **figures[1][name]})
        for name in figures[1]
    )
    absent = tuple(Absent(name, reason) for name, reason in sorted(held.absent.items()))
    title = f"{len(names)} levels, converted and resident at once"
    return Subject("levels", title, {"levels": len(names)}, series, absent)
