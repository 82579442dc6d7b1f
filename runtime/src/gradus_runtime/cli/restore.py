"""`gradus restore`: bring a backup of a store back."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", type=Path, metavar="BACKUP", help="a folder that `gradus backup` wrote")
    parser.add_argument(
        "--store",
        type=Path,
        required=True,
        help="path of the store; an existing store stays as it is, and the backup is written beside it",
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import output
    from gradus_runtime.store.backup import restore

    done = restore(args.backup, args.store)
    if args.json:
        output.print_json(done)
        return 0
    pinned = f"{done.pinned} pinned" if done.pinned else "none pinned"
    count = len(done.versions)
    print(f"{done.path}: {counted(count, 'version')}, {pinned}, every byte verified")
    if done.beside:
        print(f"{args.store} is as it was. To serve what was restored:")
        print(f"  mv {args.store} {args.store}.before && mv {done.path} {args.store}")
    return 0


COMMAND = Command(
    "restore",
    "restore a backup, beside the existing store",
    "gradus restore /backups/btc-jpy-20261201T031705Z --store artifacts/btc-jpy",
    _configure,
    _run,
)
