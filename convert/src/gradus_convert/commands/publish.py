"""`gradus publish`: put a built version's folder, or an exported zip, into a store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND", "OLD_COMMAND"]


def _run(args: argparse.Namespace) -> int:
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


def _run_by_old_name(args: argparse.Namespace) -> int:
    text = "warning: import-bundle is now publish; the old name works for one more release"
    print(text, file=sys.stderr)
    return _run(args)


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("source", type=Path, help="a version's folder or an exported .zip")
    options.add_store(parser)
    options.add_actor(parser)
    parser.add_argument("--pin", action="store_true", help="pin the version as well")
    options.add_no_check(parser)


COMMAND = Command(
    "publish",
    "publish a built version into a store",
    "gradus publish dist/2026.11.21.zip --store artifacts/btc-jpy",
    _configure,
    _run,
)
OLD_COMMAND = Command(
    "import-bundle",
    "old name of publish",
    "gradus publish dist/2026.11.21.zip --store artifacts/btc-jpy",
    _configure,
    _run_by_old_name,
)
