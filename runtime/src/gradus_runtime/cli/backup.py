"""`gradus backup`: a dated, proved copy of a store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("destination", type=Path, metavar="DEST", help="folder of backups, outside the store")
    options.add_store(parser)
    parser.add_argument(
        "--keep", type=int, metavar="N", help="keep the newest N backups of this store there; all by default"
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output
    from gradus_runtime.store.backup import back_up

    done = back_up(options.chosen_store(args), args.destination, keep=args.keep)
    if args.json:
        output.print_json(done)
    else:
        pinned = f"{done.pinned} pinned" if done.pinned else "none pinned"
        count = len(done.versions)
        print(f"{done.path}: {counted(count, 'version')}, {pinned}, every byte verified")
        if done.removed:
            print(f"removed: {', '.join(done.removed)}")
    for left in done.left_out:
        print(f"gradus backup: {left.version} is left out: {left.problem}", file=sys.stderr)
    if done.left_out and args.keep is not None:
        print("gradus backup: no older backup was removed: one may hold it whole", file=sys.stderr)
    return 1 if done.left_out else 0


COMMAND = Command(
    "backup",
    "write a dated, verified copy of a store",
    "gradus backup /backups --store artifacts/btc-jpy --keep 14",
    _configure,
    _run,
)
