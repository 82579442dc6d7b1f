"""`gradus predict`: rows in, decisions out, a line each, as a stream."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradus_runtime.cli.command import Command

if TYPE_CHECKING:
    from gradus_runtime.decision import Decision

__all__ = ["COMMAND"]

CHUNK_ROWS = 512


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options
    from gradus_runtime.rows import files

    options.add_source(parser)
    parser.add_argument(
        "--input", required=True, help="a CSV, JSON Lines or Parquet file; - for standard input"
    )
    parser.add_argument("--format", choices=files.FORMATS, help="of the input; by default found out")
    parser.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="repeat a column")
    parser.add_argument(
        "--fill",
        action="append",
        default=[],
        metavar="GROUP=VALUE",
        help="replace a group's missing values; the reasons say so",
    )
    parser.add_argument(
        "--unavailable", action="append", default=[], metavar="GROUP", help="treat a group as missing"
    )
    parser.add_argument("--min-level", metavar="LEVEL", help="the lowest level that may serve")
    parser.add_argument("--threshold", type=float, help="instead of the artifact's confidence threshold")
    parser.add_argument("--no-confidence", action="store_true", help="do not hold weak calls")


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options
    from gradus_runtime.rows import files

    write = _json_lines if args.json else _csv_lines(args.keep)
    request: dict[str, Any] = {
        "fill": dict(_filling(text) for text in args.fill),
        "unavailable": args.unavailable,
        "min_level": args.min_level,
        "confidence_threshold": args.threshold,
        "use_confidence": not args.no_confidence,
    }
    rows = 1 if args.input == "-" else CHUNK_ROWS
    unreadable = files.Unreadable()
    said = False
    with options.open_predictor(args, drift=False) as predictor:
        for chunk in files.read_chunks(args.input, args.format, rows, unreadable):
            for row, decision in zip(chunk, predictor.predict(chunk, **request), strict=True):
                write({name: row.get(name) for name in args.keep}, decision)
            if rows == 1:
                sys.stdout.flush()
            if unreadable.count and not said:
                said = True
                _warn(f"line {unreadable.first} is no JSON object: a row without values")
    if unreadable.count > 1:
        _warn(f"{unreadable.count} lines were no JSON objects: rows without values")
    return 0


def _warn(text: str) -> None:
    print(f"gradus predict: {text}", file=sys.stderr)


def _filling(text: str) -> tuple[str, float]:
    from gradus_runtime.errors import UsageError

    group, _, value = text.partition("=")
    try:
        return group, float(value)
    except ValueError:
        raise UsageError("a filling must be GROUP=NUMBER", place="--fill", value=text) from None


Write = Callable[[dict[str, Any], "Decision"], None]


def _json_lines(kept: dict[str, Any], decision: Decision) -> None:
    answer = {
        "action": decision.action,
        "confidence": decision.confidence,
        "level": decision.level,
        "probabilities": dict(decision.probabilities),
        "reasons": decision.reasons,
        "version": decision.version,
    }
    print(json.dumps(kept | answer, default=str))


def _csv_lines(keep: list[str]) -> Write:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    started = False

    def write(kept: dict[str, Any], decision: Decision) -> None:
        nonlocal started
        if not started:
            started = True
            classes = [f"p_{name}" for name in decision.probabilities]
            writer.writerow([*keep, "action", "confidence", "level", *classes, "reasons"])
        numbers = [f"{p:.6f}" for p in decision.probabilities.values()]
        writer.writerow(
            [
                *kept.values(),
                decision.action,
                f"{decision.confidence:.6f}",
                decision.level,
                *numbers,
                "; ".join(decision.reasons),
            ]
        )

    return write


COMMAND = Command(
    "predict",
    "answer rows: CSV with a header out, or JSON Lines with --json",
    "gradus predict --store artifacts/btc-jpy --input rows.csv --keep timestamp",
    _configure,
    _run,
)
