"""`gradus replay`: make the decisions of a journal anew, and compare bit for bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted

if TYPE_CHECKING:
    from gradus_runtime.journal import JournalContent
    from gradus_runtime.serving.replay import ReplayReport

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_journal(parser)
    options.add_source(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    options.one_thread_of_openblas()
    from gradus_runtime.contracts import codec
    from gradus_runtime.journal import read_journal
    from gradus_runtime.serving.replay import replay
    from gradus_runtime.store import Artifact, open_artifact
    from gradus_runtime.store.layout import VERSIONS

    source = args.source if args.source is not None else options.chosen_store(args).path
    several = (Path(source) / VERSIONS).is_dir()

    def open_version(version: str) -> Artifact:
        return open_artifact(source, version if several else None)

    content = read_journal(args.journal)
    lines = [line for line in content.decisions if args.version in (None, line.version)]
    report = replay(lines, open_version)
    if args.json:
        counts = {"lines": content.lines, "foreign": content.foreign, "repeated": content.repeated}
        output.print_json({**codec.encode(report), **counts, "damaged": content.damaged})
    else:
        _print(report, content)
    whole = report.replayed > 0 and not report.different and not content.damaged
    return 0 if whole else 1


def _print(report: ReplayReport, content: JournalContent) -> None:
    from gradus_runtime.cli import output

    rows = [
        (s.version, s.level, s.bits, str(s.lines), str(s.same), str(s.close), str(s.different))
        for s in report.levels
    ]
    if rows:
        head = ("VERSION", "LEVEL", "BITS", "LINES", "SAME BITS", "WITHIN 2E-6", "DIFFERENT")
        output.print_table(head, rows)
    for text in report.differences:
        print(f"different: {text}")
    for text in report.missing:
        print(f"not replayed: {text}")
    for text in content.damaged:
        print(f"damaged: {text}")
    decided = len(content.decisions)
    if report.without_row:
        print(f"not replayed: {counted(report.without_row, 'line')} without a row")
    print(
        f"{report.replayed} of {counted(decided, 'decision')} replayed, {report.different} different; "
        f"{counted(content.lines, 'line')} read, {content.foreign} of them foreign"
    )


COMMAND = Command(
    "replay",
    "recompute the decisions of a journal and compare their bits; exit 1 if one differs or there is none",
    "gradus replay --journal journal/ --store artifacts/btc-jpy",
    _configure,
    _run,
)
