"""`gradus convert`: a finished run to a proved, published artifact version."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("--run", dest="run_folder", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--store", type=Path, required=True, help="store to publish into, artifacts/NAME")
    parser.add_argument(
        "--config", type=Path, default=Path("config/artifact.toml"), help="default: config/artifact.toml"
    )
    parser.add_argument(
        "--encoding",
        choices=("compact", "treeops", "treeops5", "auto"),
        default="compact",
        help="of the graphs; compact by default",
    )
    parser.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="NAME",
        help="this level alone; may be repeated",
    )
    parser.add_argument("--version", help="calendar version; by default today's, with .postN when taken")
    parser.add_argument("--dry-run", action="store_true", help="prove, but publish nothing")
    parser.add_argument("--pin", action="store_true", help="pin the version as well")
    options.add_no_check(parser)
    parser.add_argument("--no-gate", action="store_true", help="convert a run whose gate failed")
    parser.add_argument(
        "--no-third-opinion", action="store_true", help="leave the stock converters out of the card"
    )
    parser.add_argument("--actor", help="who does it, for the history")


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.conversion import run

    return run(args)


COMMAND = Command(
    "convert",
    "compile a run to a proved artifact version and publish it",
    "gradus convert --run runs/current --store artifacts/btc-jpy",
    _configure,
    _run,
)
