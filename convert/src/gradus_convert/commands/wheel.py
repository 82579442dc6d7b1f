"""`gradus wheel`: write a version as a wheel."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    parser.add_argument("version", help="a version of the store")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("dist"),
        metavar="FOLDER",
        help="folder to write into (default: dist)",
    )
    options.add_store(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.publishing.wheel import distribution_name, write_wheel
    from gradus_runtime.cli import options, output

    with options.chosen_store(args).open(args.version) as artifact:
        done = write_wheel(artifact, args.out)
        name = distribution_name(artifact.manifest)
        line = f"{name}=={artifact.manifest.version} --hash=sha256:{done.sha256}"
    if args.json:
        output.print_json({"path": str(done.path), "sha256": done.sha256, "requirement": line})
    else:
        print(done.path)
        print(line)
    return 0


COMMAND = Command(
    "wheel",
    "write a version as a wheel, and print the line of a requirements file that pins it",
    "gradus wheel 2026.11.21 --out dist --store artifacts/btc-jpy",
    _configure,
    _run,
)
