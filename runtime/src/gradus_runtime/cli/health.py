"""`gradus health`: prove the store, or look at what a running process last said.

The exit code is what a container's health check asks for.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_source(parser)
    options.add_provider(parser)
    parser.add_argument("--strict", action="store_true", help="exit 1 for degraded as well as for failed")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="the running process: exit 1 if this file, which Predictor.open(..., health_file=FILE) keeps, "
        "is older than two bars or says failed; without it the store is proved, by loading every level here: "
        "that cannot know whether a running process serves, or that it has expired under its own settings",
    )
    parser.add_argument(
        "--bar",
        type=options.seconds,
        metavar="DURATION",
        help="with --file: the length of a bar, such as 15m; by default what the process has seen",
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    if args.file is not None:
        return _look_at(args)
    with options.open_predictor(args, preload=True, drift=False) as predictor:
        health = predictor.health()
    if args.json:
        output.print_json(health)
    else:
        print(f"{health.status}: version {health.version}")
        for level in health.levels:
            where = "" if level.provider in (None, "cpu") else f" ({level.provider})"
            print(f"  {level.name}: {level.state}{where}{f': {level.problem}' if level.problem else ''}")
        if health.halted:
            print(f"  {health.halted}")
        if health.reload_problem:
            print(f"  {health.reload_problem}")
        if health.expires:
            print(f"  expires: {health.expires}")
        if health.simulated:
            print("  trained on a simulated market: do not trade real money on it")
    return 1 if health.status == "failed" or (args.strict and health.status != "ok") else 0


def _look_at(args: argparse.Namespace) -> int:
    """Look at the file of a running process."""
    from gradus_runtime.cli import output
    from gradus_runtime.monitoring.health_file import as_json, problems_of, read_health_file

    report = read_health_file(args.file)
    problems = problems_of(report, time.time(), args.bar)
    if args.json:
        output.print_json(as_json(report, problems))
    else:
        health = report.health
        print(f"{'failed' if problems else health.status}: process {report.pid}, version {health.version}")
        for problem in problems:
            print(f"  {problem}")
        if health.reload_problem:
            print(f"  {health.reload_problem}")
        if health.journal is not None and health.journal.problem:
            print(f"  journal: {health.journal.problem}")
        if report.bar:
            print(f"  newest bar: {report.bar}")
    return 1 if problems or (args.strict and report.health.status != "ok") else 0


COMMAND = Command(
    "health",
    "prove every level of the store, or look at a running process (--file); exit 1 if none can serve",
    "gradus health --store artifacts/btc-jpy",
    _configure,
    _run,
)
