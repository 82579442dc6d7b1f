"""`gradus export`: write a version as one reproducible zip."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("version", help="a version of the store")
    parser.add_argument("out", type=Path, help="the .zip to write")
    options.add_store(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.publishing.export import export_zip
    from gradus_runtime.cli import options, output

    with options.chosen_store(args).open(args.version) as artifact:
        done = export_zip(artifact, args.out)
    if args.json:
        output.print_json({"path": str(done.path), "sha256": done.sha256, "size": done.size})
    else:
        print(f"{done.sha256}  {done.path}")
    return 0


COMMAND = Command(
    "export",
    "write a version as one reproducible .zip",
    "gradus export 2026.11.21 dist/2026.11.21.zip --store artifacts/btc-jpy",
    _configure,
    _run,
)
