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
    from gradus_runtime.contracts import run_folder
    from gradus_runtime.store.whole_file import write_whole
    from gradus_train.report.page import load_details, render

    run = run_folder.load(args.folder)
    page = render(run, load_details(args.folder)).encode()
    out = args.out or args.folder / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, page)
    print(json.dumps({"report": str(out), "bytes": len(page)}) if args.json else f"Report: {out}")
    return int(ExitCode.DONE)


COMMAND = Command(
    name="report",
    summary="write one HTML page about a run",
    example="gradus report --run runs/current",
    configure=_configure,
    run=_run,
)
