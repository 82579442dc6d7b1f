"""`gradus validate`: artifacts, stores, manifests and feature orders against the contract; rows too."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted, plural

if TYPE_CHECKING:
    from gradus_convert.validation.against import RowsReport
    from gradus_convert.validation.findings import Check

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a store, a version's folder, an exported .zip, a manifest.json or a feature_order.json",
    )
    parser.add_argument("--pinned", action="store_true", help="check only the pinned version of a store")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML as well")
    rows = parser.add_argument_group("a sample of rows, against one artifact")
    rows.add_argument(
        "--against",
        type=Path,
        metavar="ROWS",
        help="check these rows, as predict takes them: names, types, ranges, missing shares, levels",
    )
    rows.add_argument("--min-level", metavar="LEVEL", help="fail if a row would get a lower level")
    rows.add_argument("--max-missing", type=_share, default=1.0, metavar="SHARE", help=_MAX_MISSING)
    rows.add_argument("--max-beyond", type=_share, default=1.0, metavar="SHARE", help=_MAX_BEYOND)
    rows.add_argument(
        "--without", action="append", default=[], metavar="GROUP", help="a group that the bot never supplies"
    )
    rows.add_argument(
        "--any-range",
        action="append",
        default=[],
        metavar="FEATURE",
        help="a feature that may lie beyond its training range, such as the month of the year",
    )


_MAX_MISSING = "fail if a larger share of rows lacks something of a group (0 to 1)"
_MAX_BEYOND = "fail if a larger share of rows is beyond a feature's training range (0 to 1)"


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"a share must lie in [0, 1], but got {text!r}")
    return value


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.validation import output
    from gradus_convert.validation.findings import errors_in

    report = None
    if args.against is None:
        checks = _check_paths(args)
    else:
        checks, report = _check_rows(args)
    if args.junit is not None:
        output.write_junit(checks, args.junit)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        stream = sys.stderr if args.json else sys.stdout
        for line in output.github(checks):
            print(line, file=stream)
    if args.json:
        _print_json(checks, report)
    else:
        for line in output.lines(checks):
            print(line)
        if report is not None:
            _print_report(report)
    return 1 if errors_in(checks) else 0


def _check_paths(args: argparse.Namespace) -> list[Check]:
    from gradus_convert.validation.targets import check_path
    from gradus_runtime.errors import UsageError

    if args.without or args.any_range or args.min_level or min(args.max_missing, args.max_beyond) < 1.0:
        raise UsageError(
            "--min-level, --max-missing, --max-beyond, --any-range and --without belong to --against",
            place="validate",
        )
    return [check for path in args.paths for check in check_path(Path(path), pinned_only=args.pinned)]


def _check_rows(args: argparse.Namespace) -> tuple[list[Check], RowsReport]:
    from gradus_convert.validation.against import SampleLimits, check_sample
    from gradus_runtime.errors import UsageError

    if len(args.paths) != 1:
        raise UsageError("--against takes one artifact", place="validate", value=args.paths)
    limits = SampleLimits(
        args.min_level, args.max_missing, args.max_beyond, tuple(args.without), tuple(args.any_range)
    )
    return check_sample(args.paths[0], args.against, limits)


def _print_json(checks: list[Check], report: RowsReport | None) -> None:
    from gradus_convert.validation.findings import errors_in
    from gradus_runtime.contracts import codec

    value = {
        "passed": not errors_in(checks),
        "checks": [{**codec.encode(check), "passed": check.passed} for check in checks],
        "rows": codec.encode(report),
    }
    print(json.dumps(value))


def _print_report(report: RowsReport) -> None:
    print(f"{counted(report.rows, 'row')} against {report.artifact} {report.version}")
    for name, count in report.levels.items():
        print(f"  {name:24}{count:8} {plural(count, 'row'):4}  {count / report.rows:7.1%}")
    for group, share in report.missing.items():
        print(f"  group {group:18}{share:22.1%} missing")


COMMAND = Command(
    "validate",
    "check artifacts, stores and feature orders against the contract, or rows against an artifact",
    "gradus validate artifacts/btc-jpy --against sample_rows.csv --min-level level2",
    _configure,
    _run,
)
