"""`gradus predict`: rows in, decisions out, a line each, as a stream."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode

if TYPE_CHECKING:
    from gradus_runtime.decision import Decision
    from gradus_runtime.predictor import Predictor
    from gradus_runtime.rows.files import FileRow, Notes

__all__ = ["COMMAND"]

CHUNK_ROWS = 512
SAID = 5
"""Number of rows that could not be read which are named one by one on stderr."""


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options
    from gradus_runtime.rows import files

    options.add_source(parser)
    parser.add_argument(
        "--input",
        required=True,
        help="rows: CSV (comma, semicolon or tab), JSON Lines, a JSON array or Parquet, also in gzip; "
        "- for standard input, which is answered row by row and follows the pin",
    )
    parser.add_argument("--format", choices=files.FORMATS, help="input format; detected if omitted")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="copy this input column to the output (repeatable)",
    )
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
    parser.add_argument("--level", metavar="LEVEL", help="the only level that may serve")
    parser.add_argument("--min-level", metavar="LEVEL", help="the lowest level that may serve")
    parser.add_argument("--threshold", type=float, help="instead of the artifact's confidence threshold")
    parser.add_argument(
        "--no-confidence",
        action="store_true",
        help="answer with the most probable class, however low its confidence, whatever the policy",
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options
    from gradus_runtime.rows import files

    write = _json_lines if args.json else _csv_lines(args.keep)
    request: dict[str, Any] = {
        "fill": dict(_filling(text) for text in args.fill),
        "unavailable": args.unavailable,
        "level": args.level,
        "min_level": args.min_level,
        "confidence_threshold": args.threshold,
        "use_confidence": not args.no_confidence,
    }
    notes = files.Notes()
    with options.open_predictor(args, drift=False) as predictor:
        features = set(predictor.feature_names_in_.tolist())
        rows = files.read_rows(args.input, features, kind=args.format, notes=notes)
        streams = args.input == "-"
        said = False
        broken = 0
        while chunk := list(islice(rows, 1 if streams else CHUNK_ROWS)):
            if streams and predictor.reload_if_changed():
                features |= set(predictor.feature_names_in_.tolist())
            if not said:
                said = True
                _say_names(notes)
            for row, decision in zip(chunk, _answers(predictor, chunk, request), strict=True):
                if row.problem is not None:
                    broken += 1
                    if broken <= SAID:
                        _warn(f"{row.problem}: answered with the fallback")
                write({name: row.values.get(name) for name in args.keep}, decision)
            if streams:
                sys.stdout.flush()
    _say(notes, broken)
    return int(ExitCode.CHECK_FAILED if broken else ExitCode.DONE)


def _answers(predictor: Predictor, chunk: list[FileRow], request: dict[str, Any]) -> Iterator[Decision]:
    """The decisions of rows; a row that could not be read gets the fallback, and the reason."""
    decisions = predictor.predict([row.values for row in chunk], **request)
    for row, decision in zip(chunk, decisions, strict=True):
        if row.problem is None:
            yield decision
        else:
            yield dataclasses.replace(predictor.predict([{}])[0], reasons=(row.problem,))


def _say_names(notes: Notes) -> None:
    for name, feature in notes.near:
        _warn(f"the column {name!r} is not the feature {feature!r}: names must be the same to the letter")


def _say(notes: Notes, broken: int) -> None:
    """Say at the end what should not be found out from the answers alone."""
    if notes.texts:
        what = "value of a feature is" if notes.texts == 1 else "values of features are"
        _warn(f"{notes.texts} {what} text, not numbers; the first is {notes.first_text}")
    if broken > SAID:
        _warn(f"{broken} rows could not be read and were answered with the fallback")


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
        "call": decision.call,
        "held": decision.held,
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
            writer.writerow([*keep, "action", "confidence", "level", *classes, "reasons", "call", "held"])
        numbers = [f"{p:.6f}" for p in decision.probabilities.values()]
        writer.writerow(
            [
                *kept.values(),
                decision.action,
                f"{decision.confidence:.6f}",
                decision.level,
                *numbers,
                "; ".join(decision.reasons),
                decision.call or "",
                decision.held or "",
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
