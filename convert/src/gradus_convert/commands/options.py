"""The options of the commands that make a version and publish it: `gradus convert` and `gradus import`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli import options

__all__ = ["add_publishing"]


def add_publishing(parser: argparse.ArgumentParser) -> None:
    """Add what says how a version is made, where it is published, and whether it is pinned."""
    parser.add_argument("--store", type=Path, required=True, help="store to publish into, artifacts/NAME")
    parser.add_argument("--version", help="calendar version; by default today's, with .postN when taken")
    parser.add_argument(
        "--encoding",
        choices=("compact", "treeops", "treeops5", "auto"),
        default="compact",
        help="encoding of the graphs (default: compact)",
    )
    parser.add_argument(
        "--drop-member",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this member out and renormalise the weights of the others; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="compile and prove, but publish nothing")
    parser.add_argument("--pin", action="store_true", help="pin the version as well")
    options.add_no_check(parser)
    options.add_actor(parser)
