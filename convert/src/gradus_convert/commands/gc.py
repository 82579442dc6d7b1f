"""`gradus gc`: remove old versions."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("--keep", type=int, required=True, metavar="N", help="keep the newest N versions")
    parser.add_argument(
        "--keep-pinned", type=int, default=3, metavar="M", help="keep the M versions pinned last as well (3)"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed; remove nothing")
    options.add_store(parser)
    options.add_actor(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.publishing.collect import collect
    from gradus_runtime.cli import options, output

    done = collect(
        options.chosen_store(args).path,
        keep=args.keep,
        keep_pinned=args.keep_pinned,
        dry_run=args.dry_run,
        actor=args.actor,
    )
    if args.json:
        output.print_json(done)
        return 0
    verb = "would be removed" if args.dry_run else "removed"
    print(f"{verb}: {', '.join(done.removed) or 'none'}")
    print(f"kept: {', '.join(done.kept) or 'none'}")
    return 0


COMMAND = Command(
    "gc",
    "remove old versions, but not the pinned one nor those pinned last",
    "gradus gc --keep 8 --store artifacts/btc-jpy",
    _configure,
    _run,
)
