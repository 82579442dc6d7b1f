"""`gradus rollback`: serve the version that was pinned before."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument(
        "--to", metavar="VERSION", help="version to roll back to (default: the one pinned before)"
    )
    options.add_store(parser)
    options.add_actor(parser)
    options.add_no_check(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    store = options.chosen_store(args)
    before = output.pin_before(store)
    output.report_pin(
        store, before, store.rollback(args.to, actor=args.actor, check=options.pin_check(args)), args.json
    )
    return 0


COMMAND = Command(
    "rollback",
    "serve the version that was pinned before",
    "gradus rollback --store artifacts/btc-jpy",
    _configure,
    _run,
)
