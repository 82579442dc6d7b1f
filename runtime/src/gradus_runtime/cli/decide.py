"""`gradus decide`: candles in, decision out, once for a file or a line at a time."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterator, Set
from typing import TYPE_CHECKING, Any

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode, GradusError, UsageError, let_signals_through

if TYPE_CHECKING:
    from gradus_runtime.predictor import Predictor
    from gradus_runtime.rows.files import FileRow
    from gradus_runtime.serving.feed import Feed

__all__ = ["COMMAND"]

SAID = 5
"""Number of lines that could not be read which are named one by one on stderr."""
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

    if args.candles is None and not args.stream:
        raise UsageError("candles must be given", hint="Use --candles FILE, or --stream.")
    if "-" in (args.candles, args.daily):
        raise UsageError("standard input must be a stream of candles", hint="Use --stream.")
    request = answers.request_of(args)
    write = answers.json_lines if args.json else answers.csv_lines([_BAR])
    candles = [] if args.candles is None else _rows(args.candles)
    daily = None if args.daily is None else _rows(args.daily)
    with options.open_predictor(args, drift=False) as predictor:
        if args.stream:
            return _stream(predictor, candles, daily, request, write)
        extra = _outside(predictor, candles[-1] if candles else {})
        decision = predictor.decide_candles(candles, daily, extra=extra, **request)
        write(_kept(decision), decision)
    return int(ExitCode.DONE)


def _stream(
    predictor: Predictor, candles: list[Any], daily: list[Any] | None, request: dict[str, Any], write: Any
) -> int:
    """Answer each line of standard input, as of the close of the newest bar, or now if that comes first."""
    from gradus_runtime.rows import files

    feed = predictor.feed(candles, daily, clock=lambda: _moment(feed, predictor))
    for row in files.read_rows("-", _Anything()):
        predictor.reload_if_changed()
        trouble = _push(feed, row)
        decision = feed.decide(extra=_outside(predictor, row.values), **request)
        if trouble is not None:
            decision = dataclasses.replace(decision, reasons=(*decision.reasons, trouble))
        write(_kept(decision), decision)
        sys.stdout.flush()
    return int(ExitCode.DONE)


def _moment(feed: Feed, predictor: Predictor) -> float:
    now, bar = time.time(), feed.bar_time
    return now if bar is None else min(now, bar.timestamp() + feed.bar_seconds)


def _push(feed: Feed, row: FileRow) -> str | None:
    """Give a line to the feed; say why it could not be taken."""
    if row.problem is not None:
        return row.problem
    refused = feed.counts.refused
    try:
        feed.push(row.values)
    except GradusError as e:
        let_signals_through(e)
        return f"{row.place}: {e}"
    return feed.problem if feed.counts.refused > refused else None


def _rows(path: str) -> list[dict[str, Any]]:
    """The rows of a file; those that cannot be read are said."""
    from gradus_runtime.rows import files
    from gradus_runtime.store import disk

    with disk.failing("a file must be readable", path, reading=True):
        is_there = disk.is_file(path)
    if not is_there:
        raise UsageError("a file must exist", place=path)
    rows, broken = [], 0
    for row in files.read_rows(path, _Anything()):
        if row.problem is None:
            rows.append(dict(row.values))
            continue
        broken += 1
        if broken <= SAID:
            _warn(f"{path}: {row.problem}: left out")
    if broken > SAID:
        _warn(f"{path}: {broken} rows could not be read and were left out")
    return rows


def _outside(predictor: Predictor, row: Any) -> dict[str, Any]:
    """The features that no graph computes and that stand beside a candle."""
    return {name: row[name] for name in predictor.outside_features if name in row}


def _kept(decision: Any) -> dict[str, Any]:
    bar = decision.bar_time
    return {_BAR: None if bar is None else f"{bar:%Y-%m-%dT%H:%M:%SZ}"}


def _warn(text: str) -> None:
    print(f"gradus decide: {text}", file=sys.stderr)


COMMAND = Command(
    "decide",
    "decide on the newest complete bar of a history: CSV with a header out, or JSON Lines with --json",
    "gradus decide --store artifacts/btc-jpy --candles tail.csv --daily macro.csv",
    _configure,
    _run,
)
