"""`gradus outcomes`: give each decision of a journal what came of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_live.commands import options

    options.add_sources(parser, journal=True)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outcomes.jsonl"),
        metavar="FILE",
        help="file of outcomes; existing ones stay (default: outcomes.jsonl)",
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_live.commands import options
    from gradus_live.outcomes import read_outcomes, write_outcomes
    from gradus_runtime.cli import output
    from gradus_runtime.wording import counted

    before = {line.id for line in read_outcomes(args.out)}
    content, new, lines, _ = options.joined(args, args.out)
    write_outcomes(args.out, lines)
    told = {
        "decisions": 0 if content is None else len(content.decisions),
        "outcomes": len(lines),
        "added": len({line.id for line in lines} - before),
        "never_known": sum(line.label is None for line in lines),
        "pending": new.pending,
        "without_bar": new.without_bar,
        "unknown_versions": new.unknown_versions,
    }
    if args.json:
        output.print_json(told)
        return 0
    print(
        f"{counted(len(lines), 'outcome')} in {args.out}, {told['added']} new; "
        f"{counted(new.pending, 'decision waits for its own', 'decisions wait for theirs')}"
    )
    for count, words, text in (
        (told["never_known"], ("has", "have"), "none that can be known: candles are missing in their reach"),
        (new.without_bar, ("decision", ""), "named no bar: call decide(..., at=bar_time)"),
        (new.unknown_versions, ("decision is", "decisions are"), "of versions that are not in the store"),
    ):
        if count:
            print(f"{counted(count, *words)} {text}")
    return 0


COMMAND = Command(
    "outcomes",
    "compute the outcome of each decision in a journal, by the label of training",
    "gradus outcomes --journal journal/ --candles candles.csv --store artifacts/btc-jpy",
    _configure,
    _run,
)
