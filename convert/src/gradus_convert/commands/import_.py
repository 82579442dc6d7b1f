"""`gradus import`: a production ensemble out of pickle or joblib files to a proved artifact version."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="one file with an ensemble, or one file a model: pickle or joblib, compressed or not",
    )
    parser.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="NAME=FILE[,FILE...]",
        help="the files of a level, best level first; may be repeated",
    )
    parser.add_argument("--store", type=Path, required=True, help="store to publish into, artifacts/NAME")
    parser.add_argument("--version", help="calendar version; by default today's, with .postN when taken")
    parser.add_argument("--weights", metavar="NAME=WEIGHT,...", help="instead of the weights in the files")
    parser.add_argument(
        "--classes",
        metavar="NAME,...",
        help="names of the labels in their order (SELL,HOLD,BUY), or LABEL=NAME,... in the order to have",
    )
    parser.add_argument("--feature-order", type=Path, help="feature_order.json; by default derived")
    parser.add_argument("--config", type=Path, help="artifact.toml: name, decision, runtime, aliases")
    parser.add_argument("--fallback-action", metavar="CLASS", help="without --config; by default HOLD")
    parser.add_argument(
        "--rows", type=Path, help="rows of the training data, any file of rows: ranges, drift, proof"
    )
    parser.add_argument("--data-end", metavar="TIME", help="end of the training data, ISO 8601 in UTC")
    parser.add_argument(
        "--encoding",
        choices=("compact", "treeops", "treeops5", "auto"),
        default="compact",
        help="of the graphs; compact by default",
    )
    parser.add_argument(
        "--any-version", action="store_true", help="take what another scikit-learn wrote, at your own risk"
    )
    parser.add_argument("--max-bytes", type=int, help="bound of a file, also when decompressed; 1 GiB")
    parser.add_argument("--dry-run", action="store_true", help="prove, but publish nothing")
    parser.add_argument("--pin", action="store_true", help="pin the version as well")
    options.add_no_check(parser)
    parser.add_argument("--actor", help="who does it, for the history")


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.pickles.run import run

    return run(args)


COMMAND = Command(
    "import",
    "turn pickled ensembles into a proved artifact version, without running what is in the files",
    "gradus import production_ensemble.pkl --store artifacts/btc-jpy --classes SELL,HOLD,BUY",
    _configure,
    _run,
)
