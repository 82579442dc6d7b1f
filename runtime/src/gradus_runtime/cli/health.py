"""`gradus health`: load and prove every level; the exit code is what a container's health check asks for."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_source(parser)
    parser.add_argument("--strict", action="store_true", help="exit 1 for degraded as well as for failed")


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    with options.open_predictor(args, preload=True, drift=False) as predictor:
        health = predictor.health()
    if args.json:
        output.print_json(health)
    else:
        print(f"{health.status}: version {health.version}")
        for level in health.levels:
            print(f"  {level.name}: {level.state}{f': {level.problem}' if level.problem else ''}")
        if health.halted:
            print(f"  {health.halted}")
        if health.expires:
            print(f"  expires: {health.expires}")
        if health.simulated:
            print("  trained on a simulated market: do not trade real money on it")
    return 1 if health.status == "failed" or (args.strict and health.status != "ok") else 0


COMMAND = Command(
    "health",
    "load and prove every level; exit 1 if none can serve",
    "gradus health --store artifacts/btc-jpy",
    _configure,
    _run,
)
