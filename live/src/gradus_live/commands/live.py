"""`gradus live`: what came of a bot's decisions, beside what training promised."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_live.commands import options

    options.add_sources(parser, journal=False)
    parser.add_argument("--outcomes", type=Path, metavar="FILE", help="outcomes that `gradus outcomes` keeps")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page as well")
    parser.add_argument(
        "--fail-on-worse", action="store_true", help="exit 1 if the record is worse than training promised"
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_live.commands import options
    from gradus_live.contracts_of import costs_of
    from gradus_live.costs import load_costs
    from gradus_live.record import build_record, render_page, render_record
    from gradus_live.record.group import WORSE
    from gradus_runtime.cli import output
    from gradus_runtime.errors import UsageError
    from gradus_runtime.store.whole_file import write_whole

    if not args.journal and args.outcomes is None:
        raise UsageError("decisions must be given", hint="Give --journal and --candles, or --outcomes FILE.")
    _, new, lines, manifests = options.joined(args, args.outcomes)
    decided = {line.digest for line in lines}
    held = [manifest for digest, manifest in manifests.items() if digest in decided]
    costs = costs_of(held) if args.costs is None else load_costs(args.costs)
    record = build_record(lines, manifests, costs, pending=new.pending)
    if args.html is not None:
        write_whole(args.html, render_page(record).encode("utf-8"))
    if args.json:
        output.print_json(_finite(record))
    else:
        print(render_record(record, output.terminal_width()), end="")
    return 1 if args.fail_on_worse and record.overall.verdict == WORSE else 0


def _finite(record: object) -> object:
    """The record as a JSON value: what is infinite, as nothing can be said yet, is null."""
    from gradus_runtime.contracts import codec

    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        infinite = isinstance(value, float) and value in (float("inf"), float("-inf"))
        return None if infinite else value

    return clean(codec.encode(record))


COMMAND = Command(
    "live",
    "report the outcomes of a bot's decisions, beside what training promised",
    "gradus live --journal journal/ --candles candles.csv --store artifacts/btc-jpy --html live.html",
    _configure,
    _run,
)
