"""`gradus train`: data and configuration in, a run folder out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode
from gradus_train.commands.tune import add_search_arguments, check_search, run_search

if TYPE_CHECKING:
    from gradus_live.costs import Costs
    from gradus_train.training.prepare import Plan
    from gradus_train.training.progress import Progress

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_train.commands.inputs import add_input_arguments

    add_input_arguments(parser, gates=True)
    parser.add_argument("--out", type=Path, default=Path("runs/current"), help="run folder to write")
    parser.add_argument(
        "--costs", type=Path, metavar="FILE", help="what a trade costs; default: costs.toml beside --config"
    )
    parser.add_argument("--no-gate", action="store_true", help="measure, but enforce no gate")
    parser.add_argument("--store", type=Path, help="artifact store whose pinned version to compare with")
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted run with the parts that it finished"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check data, settings, --out and disk, print the plan, train nothing",
    )
    parser.add_argument(
        "--no-report",
        action="store_true",
        help="write no report.html, which travels in the artifact",
    )
    parser.add_argument("--verbose", action="store_true", help="show every part")
    parser.add_argument("--optimize", action="store_true", help="search parameters first, like `gradus tune`")
    add_search_arguments(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.contracts import names
    from gradus_train.commands.inputs import choose_config, jobs_of, read_plan
    from gradus_train.commands.show import print_forecast, print_outcome
    from gradus_train.evaluation import gates as gating
    from gradus_train.report.page import write_page
    from gradus_train.run.folder import check_target
    from gradus_train.run.forecast import check_disk, forecast
    from gradus_train.run.run import git_commit_of, train
    from gradus_train.training.pool_choice import open_pool
    from gradus_train.training.progress import progress_for

    choose_config(args)
    gates = None if args.no_gate else gating.load(args.gates)
    costs = _costs(args)
    jobs = jobs_of(args)
    check_search(args)
    check_target(args.out)
    with progress_for(verbose=args.verbose) as progress:
        plan = read_plan(args, progress)
        check_disk(plan, args.out)
        if args.dry_run:
            print_forecast(plan, forecast(plan, args.out, jobs=jobs), jobs, as_json=args.json)
            return int(ExitCode.DONE)
        if args.optimize:
            plan = _tuned(args, plan, progress)
        with open_pool(jobs, scheduler=args.scheduler) as pool:
            outcome = train(
                plan,
                args.out,
                pool=pool,
                progress=progress,
                resume=args.resume,
                gates=gates,
                pinned_store=args.store,
                costs=costs,
                git_commit=git_commit_of(args.config.resolve().parent),
            )
        if args.no_report:
            (args.out / names.REPORT).unlink(missing_ok=True)  # that of the run before
        else:
            progress.say("Writing the report")
            write_page(args.out)
    print_outcome(outcome, args.out, as_json=args.json)
    return int(ExitCode.CHECK_FAILED if outcome.run.gate_passed is False else ExitCode.DONE)


def _costs(args: argparse.Namespace) -> Costs | None:
    """Read the costs that were named, or those beside the configuration if there are any."""
    from gradus_live.costs import load_costs
    from gradus_runtime.store import disk

    beside = args.config.parent / "costs.toml"
    with disk.failing("the costs must be readable", str(beside), reading=True):
        is_there = disk.exists(beside)
    if args.costs is None and not is_there:
        return None
    return load_costs(args.costs or beside)


def _tuned(args: argparse.Namespace, plan: Plan, progress: Progress) -> Plan:
    from gradus_train.training.prepare import prepare
    from gradus_train.tuning.parameters import load_into

    _, path = run_search(args, plan, progress)
    config = load_into(plan.config, path)
    return prepare(plan.dataset, plan.order, config, [level.name for level in plan.levels])


COMMAND = Command(
    name="train",
    summary="train the members of every level and write a run folder",
    example="gradus train --candles btc_jpy_15m.csv --daily macro_daily.csv --out runs/current",
    configure=_configure,
    run=_run,
)
