"""The options that commands share: which store or artifact, and who acts."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradus_runtime.errors import UsageError
from gradus_runtime.store import Artifact, Store

if TYPE_CHECKING:
    from gradus_runtime.predictor import Predictor

__all__ = [
    "add_actor",
    "add_journal",
    "add_no_check",
    "add_provider",
    "add_source",
    "add_store",
    "chosen_store",
    "one_thread_of_openblas",
    "open_predictor",
    "pin_check",
    "seconds",
]

_ASIDE = re.compile(r"^\.|\.restored-|\.before$")
"""Folders beside a store that hold another state of it; see `gradus restore`."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add `--store`."""
    parser.add_argument(
        "--store", type=Path, help="the store; by default GRADUS_STORE, else the only one in ./artifacts"
    )


def add_actor(parser: argparse.ArgumentParser) -> None:
    """Add `--actor`."""
    parser.add_argument(
        "--actor",
        help="who does it, 200 printable characters at most; by default GRADUS_ACTOR or the user",
    )


def add_no_check(parser: argparse.ArgumentParser) -> None:
    """Add `--no-check`."""
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="do not replay the golden rows on this machine before pinning (every byte is still verified)",
    )


def pin_check(args: argparse.Namespace) -> Callable[[Artifact], None] | None:
    """Return what must hold of a version before it is pinned; None with `--no-check`."""
    if args.no_check:
        return None
    one_thread_of_openblas()
    from gradus_runtime.serving.pin_check import check_servable

    return check_servable


def chosen_store(args: argparse.Namespace) -> Store:
    """Return the store that the arguments, the environment or the working folder name.

    Raises:
        UsageError: None of them names exactly one.
    """
    named = args.store or os.environ.get("GRADUS_STORE")
    if named:
        return Store(Path(named))
    found = sorted(p.parent for p in Path("artifacts").glob("*/versions") if not _ASIDE.search(p.parent.name))
    if len(found) == 1:
        return Store(found[0])
    raise UsageError(
        "a store must be named",
        place="--store",
        value=[str(p) for p in found] or None,
        hint="Give --store artifacts/NAME, or set GRADUS_STORE.",
    )


def add_journal(parser: argparse.ArgumentParser) -> None:
    """Add `--journal`."""
    parser.add_argument(
        "--journal",
        action="append",
        required=True,
        metavar="PATH",
        help="a journal's folder or file, or an exported log; - for standard input (repeatable)",
    )


def seconds(text: str) -> float:
    """Read a duration: 900, 900s, 15m, 4h or 1d. For `type=` of an argument."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a duration must be such as 900s, 15m, 4h or 1d, but got {text!r}")
    return value


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add what names an artifact: SOURCE, `--store` and `--version`."""
    parser.add_argument(
        "source",
        nargs="?",
        help="a store, a version's folder, a .zip or an installed distribution; by default --store",
    )
    add_store(parser)
    parser.add_argument("--version", help="a version of the store; by default the pinned one")


def add_provider(parser: argparse.ArgumentParser) -> None:
    """Add `--provider`."""
    parser.add_argument(
        "--provider",
        default="cpu",
        help="what runs the graphs: cpu (the default), or cuda on an Nvidia GPU, with onnxruntime-gpu",
    )


def open_predictor(args: argparse.Namespace, **options: Any) -> Predictor:
    """Open the artifact that the arguments name, and no other; options and errors are `Predictor.open`'s."""
    one_thread_of_openblas()
    from gradus_runtime.predictor import Predictor

    source = args.source if args.source is not None else chosen_store(args).path
    options.setdefault("provider", getattr(args, "provider", "cpu"))
    return Predictor.open(source, args.version, strict=True, **options)


def one_thread_of_openblas() -> None:
    """Let numpy start no threads; to be called before anything imports it, and without effect afterwards."""
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # halves the time of importing numpy
