"""`gradus import-bundle`: publish an exported zip into a store."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

from gradus_convert.commands import publish
from gradus_runtime.cli.command import Command
from gradus_runtime.errors import UsageError

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="ZIP", help="as `gradus export` wrote it")
    publish.add_arguments(parser)


def _run(args: argparse.Namespace) -> int:
    if not zipfile.is_zipfile(args.source):
        rule = "a bundle must be a .zip that was exported"
        raise UsageError(rule, place=str(args.source), hint="Make one: gradus export.")
    return publish.run(args)


COMMAND = Command(
    "import-bundle",
    "publish an exported .zip into a store",
    "gradus import-bundle 2026.11.21.zip --store artifacts/btc-jpy",
    _configure,
    _run,
)
