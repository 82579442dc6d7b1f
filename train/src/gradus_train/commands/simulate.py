"""`gradus simulate`: the embedded market as files, in the formats that users bring."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode

__all__ = ["COMMAND", "DEFAULT_BARS"]

DEFAULT_BARS = 16_500
"""172 days: features of level 1 look back 45 of them."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the files to")
    parser.add_argument(
        "--bars",
        type=int,
        default=DEFAULT_BARS,
        metavar="N",
        help=f"length in bars; default {DEFAULT_BARS:,}",
    )
    parser.add_argument("--seed", type=int, default=7, help="random seed (default: 7)")


def _run(args: argparse.Namespace) -> int:
    from gradus_train.market import simulate

    files = simulate(args.out, bars=args.bars, seed=args.seed)
    if args.json:
        print(json.dumps({"candles": str(files.candles), "macro": str(files.macro)}))
    else:
        print(f"{files.candles}: candles of 15 minutes, simulated")
        print(f"{files.macro}: daily series, simulated")
    return int(ExitCode.DONE)


COMMAND = Command(
    name="simulate",
    summary="write candles and daily series of the embedded market",
    example="gradus simulate --out data/demo",
    configure=_configure,
    run=_run,
)
