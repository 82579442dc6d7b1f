"""`gradus verify`: rehash everything in a store, or in one artifact, and say what differs."""

from __future__ import annotations

import argparse

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument(
        "source",
        nargs="?",
        help="one version, folder, .zip or installed distribution; by default the store",
    )
    options.add_store(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output
    from gradus_runtime.store.verify import verify_source, verify_store

    if args.source is None:
        report = verify_store(options.chosen_store(args))
    else:
        report = verify_source(args.source, lambda: options.chosen_store(args))
    if args.json:
        output.print_json(report)
    else:
        for problem in report.problems:
            print(problem)
        differ = len(report.problems)
        found = f"{counted(differ, 'differs', 'differ')}" if differ else "all as published"
        versions = f"{counted(report.versions, 'version')}"
        files = f"{counted(report.files, 'file')}"
        print(f"{versions}, {files}, {report.bytes} bytes: {found}")
    return 1 if report.problems else 0


COMMAND = Command(
    "verify",
    "rehash every file and say what differs",
    "gradus verify --store artifacts/btc-jpy",
    _configure,
    _run,
)
