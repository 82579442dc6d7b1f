"""`gradus history`: what happened to a store."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("--last", type=int, metavar="N", help="the last N events only")
    options.add_store(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    events = options.chosen_store(args).history()
    if args.last is not None:
        events = events[len(events) - min(args.last, len(events)) :] if args.last > 0 else ()
    if args.json:
        output.print_json(events)
        return 0
    rows = [
        (
            e.time,
            e.event + (" (recorded later)" if e.recovered else ""),
            e.version,
            "" if e.generation is None else str(e.generation),
            e.digest[:12],
            e.actor,
        )
        for e in events
    ]
    output.print_table(("TIME", "EVENT", "VERSION", "GENERATION", "DIGEST", "ACTOR"), rows)
    return 0


COMMAND = Command(
    "history",
    "show what was published, pinned, rolled back and removed",
    "gradus history --store artifacts/btc-jpy --last 10",
    _configure,
    _run,
)
