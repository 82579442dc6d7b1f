"""`gradus rollback`: serve the version that was pinned before."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import stores

    parser.add_argument("--to", metavar="VERSION", help="go back to this one; by default the one before")
    stores.add_store(parser)
    stores.add_actor(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import stores

    store = stores.chosen_store(args)
    before = stores.pin_before(store)
    stores.report_pin(store, before, store.rollback(args.to, actor=args.actor), args.json)
    return 0


COMMAND = Command(
    "rollback",
    "serve the version that was pinned before",
    "gradus rollback --store artifacts/btc-jpy",
    _configure,
    _run,
)
