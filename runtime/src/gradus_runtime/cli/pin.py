"""`gradus pin`: serve a version from now on."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import stores

    parser.add_argument("version", help="a version of the store, such as 2026.11.21")
    stores.add_store(parser)
    stores.add_actor(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import stores

    store = stores.chosen_store(args)
    before = stores.pin_before(store)
    stores.report_pin(store, before, store.pin(args.version, actor=args.actor), args.json)
    return 0


COMMAND = Command(
    "pin", "serve a version from now on", "gradus pin 2026.11.21 --store artifacts/btc-jpy", _configure, _run
)
