"""What is measured of a subject: every peer in turns, every sample in a fresh process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.boundary import wrong_side
from benchmarks.catalog import PEERS, Peer
from benchmarks.environments import EnvironmentAbsentError, installed_mib, python_of
from benchmarks.execution import Sample, WorkerFailedError, in_turns, work
from benchmarks.profiles import Plan, Profile
from benchmarks.progress import Progress, say
from benchmarks.results import Absent, Series, Subject
from benchmarks.subjects import SUBJECTS, facts, write_rows
from benchmarks.summary import medians

__all__ = ["Bench", "Figures", "artifact_mib", "fresh_folder", "measure_subject"]

Figures = dict[str, Sample]
"""Figures by the name of the peer."""

_BATCHES = "us_per_row_"
_REMADE = ("gradus", "gradus_graph", "gradus_compiled", "stock", "floor")
"""Prepared anew in every run; the other peers' files change only with their cache."""


@dataclass
class Bench:
    """A run under way: what to measure, what is done, the environments, who is absent and why."""

    profile: Profile
    cache: Path
    progress: Progress
    pythons: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def install(self) -> None:
        """Set up the environments; one that fails makes its peers absent."""
        for name in ("workspace", "runtime", "kernels", "peers"):
            say(f"environment {name}")
            try:
                self.pythons[name] = python_of(name, self.cache)
            except EnvironmentAbsentError as error:
                self.missing[name] = str(error)

    def step(self, name: str, measure: Callable[[], Figures]) -> Figures:
        """Run a measure, or return what an interrupted run has of it."""
        done: Figures | None = self.progress.get(name)
        if done is None:
            say(name)
            done = measure()
            self.progress.put(name, done)
        return done


class _Measuring:
    """The measures of one subject; peers that fail move to `absent`."""

    def __init__(self, bench: Bench, plan: Plan) -> None:
        spec = SUBJECTS[plan.subject]
        self._bench = bench
        self._name = spec.name
        self._plan = plan
        self.run = spec.run(bench.cache)
        self._folder = bench.cache / "peers" / self.run.name
        self._rows = bench.cache / "rows" / self.run.name
        self.absent: dict[str, str] = bench.progress.get(f"{spec.name}/absent") or {}
        self.peers: dict[str, Peer] = {}
        for peer in PEERS:
            if peer.name in self.absent or (plan.peers and peer.name not in plan.peers):
                continue
            if peer.alone and spec.member not in peer.alone:
                continue
            gone = [bench.missing[e] for e in (peer.prepares, peer.serves) if e in bench.missing]
            if gone:
                self.absent[peer.name] = gone[0]
            else:
                self.peers[peer.name] = peer
        write_rows(self.run, self._rows, max(plan.sizes), bench.profile.boundary_splits)

    def prepare(self) -> Figures:
        """Native models to what each peer serves from: time, memory, size."""
        figures: Figures = {}
        for peer in list(self.peers.values()):
            if peer.files_of:
                if peer.files_of not in self.peers:
                    self._drop(peer.name, self.absent[peer.files_of])
                continue
            folder = self._folder / peer.name
            kept = folder / "prepared.json"
            if peer.name in _REMADE or not kept.exists():
                say(f"  {self._name}: prepare {peer.name}")
                fresh_folder(folder)
                try:
                    sample = self._work(peer, "prepare", peer.prepares, run=self.run)
                except WorkerFailedError as error:
                    self._drop(peer.name, str(error))
                    continue
                kept.write_text(json.dumps({**sample, "artifact_mib": artifact_mib(folder)}))
            figures[peer.name] = json.loads(kept.read_text())
        return figures

    def installed(self) -> Figures:
        """Size of what serving needs."""
        sizes = {}
        for name, peer in self.peers.items():
            sizes[name] = {"installed_mib": installed_mib(self._bench.pythons[peer.serves], peer.needs)}
        return sizes

    def answers(self) -> Figures:
        """Rows on thresholds: how many probabilities are not the native ones."""
        out = self._rows / "answers"
        out.mkdir(exist_ok=True)
        rows = self._rows / "boundary.npy"

        def sample(name: str) -> Sample:
            return self._work(self.peers[name], "answers", rows=rows, out=out / f"{name}.npy")

        names = [n for n in self.peers if n != "floor"]
        self._keep(*in_turns(names, 1, sample))
        if "native" not in self.peers:
            return {}
        native = np.load(out / "native.npy")
        figures = {}
        for name in [n for n in names if n in self.peers]:
            given = np.load(out / f"{name}.npy")
            figures[name] = {
                "boundary_rows": float(len(native)),
                "wrong_rows": float(wrong_side(native, given)),
                "label_changes": float((native.argmax(axis=1) != given.argmax(axis=1)).sum()),
                "largest_difference": float(np.abs(native - given).max()),
            }
            if (same := self.peers[name].files_of) in self.peers:
                figures[name]["other_bits"] = float((np.load(out / f"{same}.npy") != given).sum())
        return figures

    def serve(self, threads: int) -> Figures:
        """Start, memory, one-row latency, throughput of batches.

        With more threads than one, each sample has one of a single thread beside it, and says what share of
        its time the threads take, `share_of_one_thread_N` for N rows: minutes later a machine may be another.
        """
        profile = self._bench.profile
        sizes = self._plan.sizes if threads == 1 else self._plan.sizes_two_threads

        def serve(name: str, threads: int) -> Sample:
            peer = self.peers[name]
            return self._work(
                peer,
                "serve",
                single=self._rows / "single.npy",
                rows=self._rows / "batch.npy",
                sizes=[size for size in sizes if size <= peer.largest_batch],
                threads=threads,
                limit=profile.limit,
                seconds=profile.seconds,
            )

        def sample(name: str) -> Sample:
            taken = serve(name, threads)
            if threads == 1:
                return taken
            one = serve(name, 1)
            rows = [key.removeprefix(_BATCHES) for key in taken if key.startswith(_BATCHES)]
            return {
                **taken,
                **{f"share_of_one_thread_{n}": taken[_BATCHES + n] / one[_BATCHES + n] for n in rows},
            }

        names = [n for n, peer in self.peers.items() if threads == 1 or peer.threads]
        return self._keep(*in_turns(names, profile.repetitions, sample))

    def _work(self, peer: Peer, measure: str, environment: str = "", **options: object) -> Sample:
        python = self._bench.pythons[environment or peer.serves]
        return work(python, measure, peer.name, self._folder / (peer.files_of or peer.name), **options)

    def _keep(self, samples: Mapping[str, list[Sample]], failed: Mapping[str, str]) -> Figures:
        for name, reason in failed.items():
            self._drop(name, reason)
        return {name: medians(taken) for name, taken in samples.items()}

    def _drop(self, name: str, reason: str) -> None:
        say(f"  {self._name}: {name} is absent: {reason}")
        self.absent[name] = reason
        self._bench.progress.put(f"{self._name}/absent", self.absent)
        del self.peers[name]


def measure_subject(bench: Bench, plan: Plan) -> Subject:
    """Measure every peer on a subject."""
    spec = SUBJECTS[plan.subject]
    say(f"subject {spec.name}")
    on = _Measuring(bench, plan)
    one = [
        bench.step(f"{spec.name}/prepare", on.prepare),
        bench.step(f"{spec.name}/installed", on.installed),
        bench.step(f"{spec.name}/answers", on.answers),
        bench.step(f"{spec.name}/serve", lambda: on.serve(1)),
    ]
    groups = {1: one}
    if plan.sizes_two_threads:
        groups[2] = [bench.step(f"{spec.name}/serve, two threads", lambda: on.serve(2))]
    series = tuple(
        Series(peer.name, peer.title, threads, bench.profile.repetitions, _merged(measured, peer.name))
        for threads, measured in groups.items()
        for peer in on.peers.values()
        if any(peer.name in m for m in measured)
    )
    absent = tuple(Absent(name, reason) for name, reason in sorted(on.absent.items()))
    return Subject(spec.name, spec.title, facts(spec, on.run), series, absent)


def _merged(measured: list[Figures], peer: str) -> Sample:
    return {name: value for m in measured for name, value in m.get(peer, {}).items()}


def fresh_folder(folder: Path) -> Path:
    """Make an empty folder, whatever was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def artifact_mib(folder: Path) -> float:
    """Return the size of what is served: of a store, its versions."""
    versions = folder / "store" / "versions"
    base = versions if versions.exists() else folder
    size = sum(p.stat().st_size for p in base.rglob("*") if p.is_file())
    return size / (1 << 20)
