"""`gradus predict`: rows in, decisions out, a line each, as a stream."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode
from gradus_runtime.wording import plural

if TYPE_CHECKING:
    from gradus_runtime.cli.unread import Unread
    from gradus_runtime.decision import Decision
    from gradus_runtime.predictor import Predictor
    from gradus_runtime.rows.files import FileRow, Notes

__all__ = ["COMMAND"]

CHUNK_ROWS = 512
DEVICE_ROWS = 65_536
"""What a GPU gets at once."""


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import answers, options

    options.one_thread_of_openblas()
    from gradus_runtime.rows import files

    options.add_source(parser)
    options.add_provider(parser)
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
    answers.add_request(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import answers, options
    from gradus_runtime.cli.unread import Unread
    from gradus_runtime.rows import files

    write = answers.json_lines if args.json else answers.csv_lines(args.keep)
    request = answers.request_of(args)
    notes = files.Notes()
    unread = Unread("predict", "answered with the fallback")
    with options.open_predictor(args, drift=False) as predictor:
        features = set(predictor.feature_names_in_.tolist())
        rows = files.read_rows(args.input, features, kind=args.format, notes=notes)
        streams = args.input == "-"
        step = CHUNK_ROWS if args.provider == "cpu" else DEVICE_ROWS
        said = False
        while chunk := list(islice(rows, 1 if streams else step)):
            if streams and predictor.reload_if_changed():
                features |= set(predictor.feature_names_in_.tolist())
            if not said:
                said = True
                _say_names(notes, unread)
            for row, decision in zip(chunk, _answers(predictor, chunk, request), strict=True):
                unread.take(row.problem)
                write({name: row.values.get(name) for name in args.keep}, decision)
            if streams:
                sys.stdout.flush()
    _say_texts(notes, unread)
    ended = unread.end()
    return int(ExitCode.CHECK_FAILED if notes.texts and not notes.numbers else ended)


def _answers(predictor: Predictor, chunk: list[FileRow], request: dict[str, Any]) -> Iterator[Decision]:
    """The decisions of rows; a row that could not be read gets the fallback, and the reason."""
    decisions = predictor.predict([row.values for row in chunk], **request)
    for row, decision in zip(chunk, decisions, strict=True):
        if row.problem is None:
            yield decision
        else:
            yield dataclasses.replace(predictor.predict([{}])[0], reasons=(row.problem,))


def _say_names(notes: Notes, unread: Unread) -> None:
    for name, feature in notes.near:
        unread.say(
            f"the column {name!r} is not the feature {feature!r}: names must be the same to the letter"
        )


def _say_texts(notes: Notes, unread: Unread) -> None:
    """Say at the end what should not be found out from the answers alone."""
    from gradus_runtime.cli.unread import decimal_comma

    if not notes.texts:
        return
    what = plural(notes.texts, "value of a feature is", "values of features are")
    unread.say(f"{notes.texts} {what} text, not numbers; the first is {notes.first_text}")
    comma = decimal_comma([notes.first_text.rpartition(": ")[2].strip("'")])
    if comma:
        unread.say(comma)
    if not notes.numbers:
        unread.say("no value of a feature was a number")


COMMAND = Command(
    "predict",
    "answer rows: CSV with a header out, or JSON Lines with --json",
    "gradus predict --store artifacts/btc-jpy --input rows.csv --keep timestamp",
    _configure,
    _run,
)
