"""`gradus pin`: serve a version from now on."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("version", help="a version of the store, such as 2026.11.21")
    options.add_store(parser)
    options.add_actor(parser)
    options.add_no_check(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    store = options.chosen_store(args)
    before = output.pin_before(store)
    output.report_pin(
        store, before, store.pin(args.version, actor=args.actor, check=options.pin_check(args)), args.json
    )
    return 0


COMMAND = Command(
    "pin", "serve a version from now on", "gradus pin 2026.11.21 --store artifacts/btc-jpy", _configure, _run
)
