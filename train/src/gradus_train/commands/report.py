"""`gradus report`: one self-contained HTML page about a run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, default=Path("runs/current"), help="run folder", dest="folder")
    parser.add_argument("--out", type=Path, help="file to write; default: report.html in the run folder")


def _run(args: argparse.Namespace) -> int:
    from gradus_train.report.page import write_page

    out = write_page(args.folder, args.out)
    size = out.stat().st_size
    print(json.dumps({"report": str(out), "bytes": size}) if args.json else f"Report: {out}")
    return int(ExitCode.DONE)


COMMAND = Command(
    name="report",
    summary="write one HTML page about a run",
    example="gradus report --run runs/current",
    configure=_configure,
    run=_run,
)
