"""`gradus decide`: candles in, decision out, once for a file or a line at a time."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode, GradusError, UsageError, let_signals_through

if TYPE_CHECKING:
    from gradus_runtime.cli.unread import Unread
    from gradus_runtime.predictor import Predictor
    from gradus_runtime.rows.files import FileRow
    from gradus_runtime.serving.feed import Feed

__all__ = ["COMMAND"]

_BAR = "bar"


class _Anything(Set[str]):
    """Every name: candles come under many names, so a reader shall take all columns for numbers."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import answers, options

    options.add_source(parser)
    options.add_provider(parser)
    parser.add_argument(
        "--candles",
        metavar="FILE",
        help="the tail of the history: time, open, high, low, close and volume, as CSV, JSON Lines, a JSON "
        "array or Parquet, also in gzip. Features from outside are columns beside them",
    )
    parser.add_argument("--daily", metavar="FILE", help="daily values: date and the series")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="read further candles from standard input, CSV with a header or JSON Lines: a candle a line in, "
        "a decision a line out, following the pin",
    )
    answers.add_request(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import answers, options
    from gradus_runtime.cli.unread import Unread

    if args.candles is None and not args.stream:
        raise UsageError("candles must be given", hint="Use --candles FILE, or --stream.")
    if "-" in (args.candles, args.daily):
        raise UsageError("standard input must be a stream of candles", hint="Use --stream.")
    request = answers.request_of(args)
    write = answers.json_lines if args.json else answers.csv_lines([_BAR])
    ended = [ExitCode.DONE]
    candles = [] if args.candles is None else _rows(args.candles, ended)
    daily = None if args.daily is None else _rows(args.daily, ended)
    with options.open_predictor(args, drift=False) as predictor, _files_named(args):
        if args.stream:
            feed = predictor.feed(candles, daily, clock=lambda: _moment(feed, predictor))
            if args.candles is not None:
                ended.append(_said(args.candles, candles, feed.counts.refused))
            unread = Unread("decide", "left out", what="line")
            taken = _stream(feed, predictor, request, write, unread)
            ended += [unread.end(), _none_taken(unread, taken, "standard input")]
            return max(ended)
        extra = _outside(predictor, candles[-1] if candles else {})
        made = predictor.features(candles, daily, extra=extra)
        decision = predictor.decide(made, at=made.bar_time, **request)
        write(_kept(decision), decision)
    ended.append(_said(args.candles, candles, made.left_out))
    return max(ended)


@contextmanager
def _files_named(args: argparse.Namespace) -> Iterator[None]:
    """Name the file in errors of its table, which knows no files."""
    try:
        yield
    except UsageError as e:
        path = {"candles": args.candles, "daily": args.daily}.get(e.place or "")
        if path is None:
            raise
        raise UsageError(e.rule, place=path, value=e.value, cause=e.cause, hint=e.hint) from None


def _stream(feed: Feed, predictor: Predictor, request: dict[str, Any], write: Any, unread: Unread) -> int:
    """Answer each line of standard input, as of the close of the newest bar, or now if that comes first.

    Returns:
        How many lines were candles that keep the rules.
    """
    from gradus_runtime.rows import files

    taken = 0
    for row in files.read_rows("-", _Anything()):
        predictor.reload_if_changed()
        unreadable, refused = _push(feed, row)
        unread.take(unreadable)
        taken += unreadable is None and refused is None
        decision = feed.decide(extra=_outside(predictor, row.values), **request)
        trouble = unreadable or refused
        if trouble is not None:
            decision = dataclasses.replace(decision, reasons=(*decision.reasons, trouble))
        write(_kept(decision), decision)
        sys.stdout.flush()
    return taken


def _moment(feed: Feed, predictor: Predictor) -> float:
    now, bar = time.time(), feed.bar_time
    return now if bar is None else min(now, bar.timestamp() + feed.bar_seconds)


def _push(feed: Feed, row: FileRow) -> tuple[str | None, str | None]:
    """Give a line to the feed; say why it is no candle, or which rule the candle broke."""
    if row.problem is not None:
        return row.problem, None
    refused = feed.counts.refused
    try:
        feed.push(row.values)
    except GradusError as e:
        let_signals_through(e)
        return f"{row.place}: {e}", None
    if feed.counts.refused == refused:
        return None, None
    comma = _comma([row.values])
    return None, f"{feed.problem}{f'; {comma}' if comma else ''}"


def _rows(path: str, ended: list[ExitCode]) -> list[dict[str, Any]]:
    """The rows of a file; those that cannot be read are said, and `ended` gets what to end with for them."""
    from gradus_runtime.cli.unread import Unread
    from gradus_runtime.rows import files
    from gradus_runtime.store import disk

    with disk.failing("a file must be readable", path, reading=True):
        is_there, is_folder = disk.exists(path), disk.is_folder(path)
    if not is_there:
        raise UsageError("a file must exist", place=path)
    if is_folder:
        raise UsageError("a file must be given, not a folder", place=path)
    rows, unread = [], Unread("decide", "left out", path=path)
    for row in files.read_rows(path, _Anything()):
        unread.take(row.problem)
        if row.problem is None:
            rows.append(dict(row.values))
    ended.append(unread.end())
    return rows


def _said(path: str, rows: list[dict[str, Any]], left_out: int) -> ExitCode:
    """Say which candles could not be used, and return what to end with for them."""
    from gradus_runtime.cli.unread import Unread

    unread = Unread("decide", "left out")
    if left_out:
        comma = _comma(rows)
        why = f": {comma}" if comma else ""
        unread.say(f"{path}: {left_out} of {len(rows)} candles count as missing{why}")
    if left_out < len(rows):
        return ExitCode.DONE
    unread.say(f"{path}: not one candle could be used")
    return ExitCode.CHECK_FAILED


def _none_taken(unread: Unread, taken: int, path: str) -> ExitCode:
    """Say so if lines came, and none of them was a candle that keeps the rules."""
    if taken or not unread.lines:
        return ExitCode.DONE
    unread.say(f"{path}: not one candle could be used")
    return ExitCode.CHECK_FAILED


def _comma(rows: Iterable[Mapping[str, Any]]) -> str:
    """What to say of the first number with a decimal comma."""
    from gradus_runtime.cli.unread import decimal_comma

    return next(filter(None, (decimal_comma(row.values()) for row in rows)), "")


def _outside(predictor: Predictor, row: Any) -> dict[str, Any]:
    """The features that no graph computes and that stand beside a candle."""
    return {name: row[name] for name in predictor.outside_features if name in row}


def _kept(decision: Any) -> dict[str, Any]:
    bar = decision.bar_time
    return {_BAR: None if bar is None else f"{bar:%Y-%m-%dT%H:%M:%SZ}"}


COMMAND = Command(
    "decide",
    "decide on the newest complete bar of a history: CSV with a header out, or JSON Lines with --json",
    "gradus decide --store artifacts/btc-jpy --candles tail.csv --daily macro.csv",
    _configure,
    _run,
)
