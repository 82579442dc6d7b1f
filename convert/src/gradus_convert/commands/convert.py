"""`gradus convert`: a finished run to a proved, published artifact version."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_convert.commands.options import add_publishing

    parser.add_argument("--run", dest="run_folder", type=Path, required=True, help="folder of a finished run")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="artifact.toml; default: config/artifact.toml, or the packaged one where there is none",
    )
    parser.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="NAME",
        help="this level alone; may be repeated",
    )
    parser.add_argument(
        "--pin-anyway", action="store_true", help="pin even a version that knows nothing (verdict none)"
    )
    parser.add_argument("--no-gate", action="store_true", help="convert a run whose gate failed")
    parser.add_argument(
        "--no-third-opinion", action="store_true", help="leave the stock converters out of the card"
    )
    parser.add_argument(
        "--quick-proof",
        action="store_true",
        help="prove on rows without the thresholds of the trees: for replays, never with --pin",
    )
    add_publishing(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_convert import config
    from gradus_convert.commands.converted import pin_and_report, progress
    from gradus_convert.conversion import check_proof, convert_run
    from gradus_runtime.contracts.default_files import chosen

    check_proof(quick=args.quick_proof, pin=args.pin or args.pin_anyway)
    (settings,) = chosen("gradus_convert", [("artifact.toml", args.config)])
    with progress(quiet=args.json) as say:
        done = convert_run(
            args.run_folder,
            args.store,
            config=config.load(settings),
            version=args.version,
            encoding=args.encoding,
            levels=args.level,
            drop=args.drop_member,
            third_opinion=not args.no_third_opinion,
            quick_proof=args.quick_proof,
            check_gate=not args.no_gate,
            publish=not args.dry_run,
            actor=args.actor,
            progress=say,
        )
    pin_and_report(args, done)
    return 0


COMMAND = Command(
    "convert",
    "compile a run to a proved artifact version and publish it",
    "gradus convert --run runs/current --store artifacts/btc-jpy",
    _configure,
    _run,
)
