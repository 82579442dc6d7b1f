"""`gradus tune`: search parameters of members, and write the file that `gradus train --params` reads."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode, UsageError
from gradus_runtime.wording import counted

if TYPE_CHECKING:
    from gradus_train.training.prepare import Plan
    from gradus_train.training.progress import Progress
    from gradus_train.tuning.parameters import Found

__all__ = ["COMMAND", "add_search_arguments", "check_search", "run_search"]


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run_search` reads."""
    parser.add_argument("--n-trials", type=int, default=50, metavar="N", help="trials, by member and level")
    parser.add_argument(
        "--storage",
        metavar="PATH|URL",
        help="where studies are kept: a journal file (default: in the run folder), or a database URL",
    )
    parser.add_argument(
        "--worker",
        type=int,
        default=0,
        metavar="N",
        help="number of this process among those that share --storage",
    )


def check_search(args: argparse.Namespace) -> None:
    """Refuse the options of `add_search_arguments` that are out of range.

    Raises:
        UsageError: One is.
    """
    if args.n_trials < 1 or args.worker < 0:
        raise UsageError("--n-trials must be at least 1, and --worker at least 0")


def run_search(args: argparse.Namespace, plan: Plan, progress: Progress) -> tuple[tuple[Found, ...], Path]:
    """Search, and write the file; return what was found, and where it is.

    Raises:
        UsageError: An option is out of range.
    """
    from gradus_train.commands.inputs import jobs_of
    from gradus_train.training.pool_choice import open_pool
    from gradus_train.tuning.parameters import save
    from gradus_train.tuning.search import search
    from gradus_train.tuning.storage import open_storage

    check_search(args)
    folder = args.out / "tuning"
    journal = folder / "journal.log"
    if args.storage is None and not args.resume:
        journal.unlink(missing_ok=True)
    with open_pool(jobs_of(args), scheduler=args.scheduler) as pool:
        found = search(
            plan,
            open_storage(args.storage or str(journal)),
            n_trials=args.n_trials,
            jobs=pool.width,
            progress=progress,
            worker=args.worker,
            pool=pool,
        )
    save(folder / "parameters.json", found)
    return found, folder / "parameters.json"


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_train.commands.inputs import add_input_arguments

    add_input_arguments(parser)
    add_search_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/current"), help="run folder to write into")
    parser.add_argument("--resume", action="store_true", help="continue with the trials in the journal")
    parser.add_argument("--verbose", action="store_true", help="show every trial")


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.contracts import codec
    from gradus_train.commands.inputs import choose_config, jobs_of, read_plan
    from gradus_train.run.folder import check_target
    from gradus_train.training.progress import progress_for

    check_search(args)
    jobs_of(args)
    choose_config(args)
    check_target(args.out)
    with progress_for(verbose=args.verbose) as progress:
        found, path = run_search(args, read_plan(args, progress), progress)
    if args.json:
        print(json.dumps({"parameters": str(path), "studies": [codec.encode(f) for f in found]}, indent=2))
        return int(ExitCode.DONE)
    for item in found:
        print(
            f"{item.level} {item.member}: log loss {item.log_loss:.4f} on the folds, "
            f"the best of {counted(item.trials, 'trial')} ({item.pruned} pruned)"
        )
    print(f"Parameters: {path}\nTrain with them:  gradus train --params {path} ...")
    return int(ExitCode.DONE)


COMMAND = Command(
    name="tune",
    summary="search parameters of the members with Optuna",
    example="gradus tune --candles btc_jpy_15m.csv --n-trials 50 --storage postgresql://user@host/studies",
    configure=_configure,
    run=_run,
)
