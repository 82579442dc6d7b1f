"""`gradus train`: data and configuration in, a run folder out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode

if TYPE_CHECKING:
    from gradus_train.training.run import Outcome

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_train.commands.inputs import add_input_arguments

    add_input_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("runs/current"), help="run folder to write")
    parser.add_argument("--gates", type=Path, default=Path("config/gates.toml"), help="rules to pass")
    parser.add_argument("--no-gate", action="store_true", help="measure, but let no gate say no")
    parser.add_argument("--store", type=Path, help="artifact store whose pinned version to compare with")
    parser.add_argument("--resume", action="store_true", help="go on with the parts of an interrupted run")
    parser.add_argument(
        "--dry-run", action="store_true", help="check data, configuration and disk; show the plan"
    )
    parser.add_argument("--verbose", action="store_true", help="show every part")


def _run(args: argparse.Namespace) -> int:
    from gradus_train.commands.inputs import jobs_of, read_plan
    from gradus_train.commands.show import print_outcome
    from gradus_train.evaluation import gates as gating
    from gradus_train.training.progress import progress_for
    from gradus_train.training.run import git_commit_of, train

    gates = None if args.no_gate else gating.load(args.gates)
    with progress_for(verbose=args.verbose) as progress:
        plan = read_plan(args, progress)
        outcome: Outcome = train(
            plan,
            args.out,
            jobs=jobs_of(args),
            progress=progress,
            resume=args.resume,
            gates=gates,
            pinned_store=args.store,
            git_commit=git_commit_of(args.config.resolve().parent),
        )
    print_outcome(outcome, args.out, as_json=args.json)
    return int(ExitCode.CHECK_FAILED if outcome.run.gate_passed is False else ExitCode.DONE)


COMMAND = Command(
    name="train",
    summary="Train the members of every level and write a run folder",
    example="gradus train --candles btc_jpy_15m.csv --macro macro_daily.csv --out runs/current",
    configure=_configure,
    run=_run,
)
