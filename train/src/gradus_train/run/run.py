"""The door of training: a plan in, a run folder out."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from gradus_live.costs import Costs
from gradus_runtime.contracts.run_folder import Run
from gradus_train.evaluation.details import Details
from gradus_train.evaluation.gates import Gate
from gradus_train.evaluation.measure import measure
from gradus_train.evaluation.pinned import Pinned, find_pinned
from gradus_train.run.folder import check_target, write_run
from gradus_train.training.assemble import assemble
from gradus_train.training.execute import execute
from gradus_train.training.folder_lock import held
from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Pool, Threads
from gradus_train.training.prepare import Plan, with_fit_up_to
from gradus_train.training.progress import Progress, Silent

__all__ = ["Outcome", "git_commit_of", "train", "working_folder"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: its contract, what was measured, and the seconds it took by part."""

    run: Run
    details: Details


def train(
    plan: Plan,
    out: Path,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    resume: bool = False,
    gates: Sequence[Gate] | None = None,
    pinned_store: Path | None = None,
    costs: Costs | None = None,
    git_commit: str | None = None,
    parts: PartStore | None = None,
    pinned_version: str | None = None,
    pool: Pool | None = None,
) -> Outcome:
    """Train a plan and write its run folder.

    Parts are kept in `out/parts` until the folder is finished; with `resume` those of the same plan are taken
    over, else they are dropped. A finished run that is in `out` stays until the new one is complete.

    Args:
        plan: What to train.
        out: The run folder: new, empty, or a run.
        jobs: Parts in work at the same time; the result does not depend on it.
        progress: Told of every part; nobody is by default.
        resume: Go on with kept parts.
        gates: Rules to hold the levels against; None to look without.
        pinned_store: An artifact store whose pinned version the gates compare with.
        costs: What a trade costs; without them no run is called tradable.
        git_commit: For the provenance.
        parts: Where parts are kept, and found, instead of in `out`; none of them is removed.
        pinned_version: A version of that store, in place of the pinned one.
        pool: Where parts are trained, in place of `jobs` threads; it has begun, and goes on.

    Raises:
        UsageError: `out` holds something else, or another process writes to it.
    """
    check_target(out)
    pinned = _opponent(plan, gates, pinned_store, pinned_version)
    if isinstance(pinned, Pinned):
        plan = with_fit_up_to(plan, pinned.data_end)
    with working_folder(out) as folder:
        store = parts or PartStore(folder)
        if not resume and parts is None:
            store.clear()
        begun = time.perf_counter()
        with nullcontext(pool) if pool is not None else Threads(jobs) as workers:
            executed = execute(plan, store, pool=workers, progress=progress or Silent())
        fitted = time.perf_counter() - begun
        results = [assemble(plan, level, executed) for level in plan.levels]
        measured = measure(plan, results, gates=gates, pinned=pinned, costs=costs)
        timings = {str(key): round(seconds, 3) for key, seconds in sorted(executed.seconds.items(), key=str)}
        timings["fitting"] = round(fitted, 3)
        run = write_run(
            plan,
            results,
            measured.details,
            out,
            found=measured.found,
            gate_passed=measured.gate_passed,
            git_commit=git_commit,
            timings=timings,
        )
    shutil.rmtree(folder, ignore_errors=True)
    return Outcome(run, measured.details)


def _opponent(
    plan: Plan, gates: Sequence[Gate] | None, store: Path | None, version: str | None
) -> Pinned | str:
    """The pinned version, if a gate compares with it; else why not. It is looked up before hours of work."""
    if all(gate.margin_to_pinned is None for gate in gates or ()):
        return "no gate asks for it"
    return find_pinned(store, plan, version)


@contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """Yield `out/parts`, held by this process alone.

    Raises:
        UsageError: Another process holds it.
    """
    folder = out / "parts"
    with held(folder, "one process may train into a folder at a time", out=out):
        yield folder


def git_commit_of(folder: Path) -> str | None:
    """Return the commit that a folder's repository is at; None where there is no repository, or no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
