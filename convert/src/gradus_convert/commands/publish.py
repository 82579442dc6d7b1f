"""`gradus publish`: put a built version's folder, or an exported zip, into a store."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `publish` and `import-bundle` share."""
    from gradus_runtime.cli import options

    options.add_store(parser)
    options.add_actor(parser)
    parser.add_argument("--pin", action="store_true", help="pin the version as well")
    options.add_no_check(parser)


def run(args: argparse.Namespace) -> int:
    """Publish `args.source`, and pin it if asked for."""
    from gradus_convert.publishing.export import import_artifact
    from gradus_runtime.cli import options, output

    store = options.chosen_store(args)
    done = import_artifact(args.source, store.path, args.actor)
    if args.json and not args.pin:
        output.print_json(
            {"version": done.version, "digest": done.digest, "path": str(done.path), "created": done.created}
        )
    elif not args.json:
        verb = "is published" if done.created else "was published already"
        print(f"{done.version} {verb}, digest {done.digest}")
    if args.pin:
        before = output.pin_before(store)
        output.report_pin(
            store, before, store.pin(done.version, actor=args.actor, check=options.pin_check(args)), args.json
        )
    return 0


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a version's folder or an exported .zip")
    add_arguments(parser)


COMMAND = Command(
    "publish",
    "publish a built version into a store",
    "gradus publish dist/2026.11.21.zip --store artifacts/btc-jpy",
    _configure,
    run,
)
