"""What the commands about one artifact share: which one, and opening it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradus_runtime.predictor import Predictor

__all__ = ["add_source", "open_predictor"]


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add what names an artifact: SOURCE, `--store` and `--version`."""
    from gradus_runtime.cli import stores

    parser.add_argument(
        "source",
        nargs="?",
        help="a store, a version's folder, a .zip or an installed distribution; by default --store",
    )
    stores.add_store(parser)
    parser.add_argument("--version", help="a version of the store; by default the pinned one")


def open_predictor(args: argparse.Namespace, **options: Any) -> Predictor:
    """Open the artifact that the arguments name; options and errors are those of `Predictor.open`."""
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # halves the time of importing numpy
    from gradus_runtime.cli import stores
    from gradus_runtime.predictor import Predictor

    source = args.source if args.source is not None else stores.chosen_store(args).path
    return Predictor.open(source, args.version, **options)
