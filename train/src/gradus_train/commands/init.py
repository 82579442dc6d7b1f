"""`gradus init`: the default configuration, one for a table of own features, or an older one upgraded."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode, UsageError
from gradus_runtime.wording import counted

if TYPE_CHECKING:
    from gradus_train.init import InitAnswers, Survey
    from gradus_train.training.prepare import Plan

__all__ = ["COMMAND"]

_COSTS = "Costs: none are given, so the verdict is at most `direction`: see docs/training.md."


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="table",
        type=Path,
        metavar="FILE",
        help="a table of your own features, CSV or Parquet; without it the default configuration is written",
    )
    parser.add_argument(
        "--upgrade",
        type=Path,
        metavar="DIR",
        help="upgrade the files of this folder to the current formats; their meaning stays",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("config"), metavar="DIR", help="folder to write (default: config)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    group = parser.add_argument_group("what the table does not say; you are asked for what is needed")
    group.add_argument("--time", metavar="COLUMN", help="time of a row")
    group.add_argument("--timezone", metavar="ZONE", help="time zone of stamps without one, such as UTC")
    group.add_argument("--label", metavar="COLUMN", help="column of labels")
    group.add_argument("--reach", type=int, metavar="N", help="bars after a row that its label looks at")
    group.add_argument("--close", metavar="COLUMN", help="price that labels are made of")
    group.add_argument(
        "--horizon", type=int, metavar="N", help="bars that such labels look ahead (default: 4)"
    )
    group.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="threshold of such labels, in units of volatility (default: 0.5)",
    )
    group.add_argument(
        "--feature", action="append", default=[], metavar="COLUMN", help="is a feature; may be repeated"
    )
    group.add_argument(
        "--drop", action="append", default=[], metavar="COLUMN", help="is not used; may be repeated"
    )
    group.add_argument("--minimum-rows", type=int, metavar="N", help="accept as few labelled rows as this")


def _run(args: argparse.Namespace) -> int:
    from gradus_train.init import default_files, write_files

    if args.upgrade is not None:
        return _upgrade(args)
    if args.table is None:
        _check_alone(args)
        paths = write_files(default_files(), args.out, force=args.force)
        if args.json:
            print(json.dumps({"files": [str(p) for p in paths]}))
        else:
            print("Written: " + ", ".join(map(str, paths)))
        return int(ExitCode.DONE)
    return _from_table(args)


def _upgrade(args: argparse.Namespace) -> int:
    from gradus_train.init import upgrade_folder

    _check_alone(args)
    if args.table is not None or args.force or args.out != Path("config"):
        rule = "a folder is edited in place, so --from, --out and --force must not be given"
        raise UsageError(rule, place="--upgrade")
    files = upgrade_folder(args.upgrade)
    if args.json:
        print(json.dumps({"files": [{"file": str(f.path), "changes": list(f.changes)} for f in files]}))
    elif not files:
        print(f"{args.upgrade}: every file has the current format; nothing was written.")
    for file in () if args.json else files:
        print(f"{file.path}:")
        print("\n".join(f"  {change}" for change in file.changes))
    return int(ExitCode.DONE)


def _check_alone(args: argparse.Namespace) -> None:
    options = ("time", "timezone", "label", "reach", "close", "horizon", "threshold", "feature", "drop")
    for name in (*options, "minimum_rows"):
        if getattr(args, name):
            raise UsageError("this option needs --from", place=f"--{name.replace('_', '-')}")


def _from_table(args: argparse.Namespace) -> int:
    from gradus_train.ingest import read_raw_table
    from gradus_train.init import InitAnswers, class_counts, files_for, planned, survey, write_files

    answers = InitAnswers(
        time=args.time,
        close=args.close,
        label=args.label,
        reach=args.reach,
        horizon=args.horizon,
        threshold=args.threshold,
        timezone=args.timezone,
        features=tuple(args.feature),
        drop=tuple(args.drop),
        minimum_rows=args.minimum_rows,
    )
    command = _typed(args.table, answers)
    found = survey(read_raw_table(args.table), answers, command)
    counts = class_counts(args.table, found, command)
    shares = {name: count / sum(counts.values()) for name, count in counts.items()}
    files = files_for(found, shares, args.table.name)
    plan = planned(files, args.table)
    paths = write_files(files, args.out, force=args.force)
    if args.json:
        print(json.dumps(_value(found, counts, plan, paths)))
    else:
        print("\n".join(_lines(args, found, shares, plan, paths)))
    return int(ExitCode.DONE)


def _typed(table: Path, answers: InitAnswers) -> str:
    """Return the command with what was answered already."""
    from gradus_train.init.column_roles import shell_words

    words = ["gradus", "init", "--from", str(table)]
    for option in ("time", "timezone", "label", "reach", "close", "horizon", "threshold", "minimum_rows"):
        value = getattr(answers, option)
        words += [] if value is None else [f"--{option.replace('_', '-')}", str(value)]
    words += [word for name in answers.features for word in ("--feature", name)]
    words += [word for name in answers.drop for word in ("--drop", name)]
    return shell_words(words)


def _value(found: Survey, counts: Mapping[str, int], plan: Plan, paths: list[Path]) -> dict[str, object]:
    return {
        "files": [str(path) for path in paths],
        "features": list(found.features),
        "sometimes_missing": list(found.sometimes),
        "left_out": dict(found.left_out),
        "renamed": dict(found.settings.columns),
        "classes": dict(counts),
        "levels": {level.name: len(level.features) for level in plan.levels},
    }


def _lines(
    args: argparse.Namespace, found: Survey, shares: Mapping[str, float], plan: Plan, paths: list[Path]
) -> list[str]:
    from gradus_live.labels import sentence
    from gradus_train.init.column_roles import shell_words

    data = plan.dataset
    minutes = found.settings.bar_minutes
    rows = len(data.timestamps)
    span = f"{data.data_start} to {data.data_end}"
    lines = [
        f"{args.table}: {counted(rows, 'row')} of {counted(minutes, 'minute')}, {span}",
        *(f"{level.name}: {counted(len(level.features), 'feature')}" for level in plan.levels),
    ]
    if found.sometimes:
        lines.append(f"Missing in some rows, so level2 leaves them out: {', '.join(found.sometimes)}")
    if found.left_out:
        lines.append("Left out: " + ", ".join(f"{name} ({why})" for name, why in found.left_out.items()))
    renamed = {n: c for n, c in found.settings.columns.items() if n in found.features}
    if renamed:
        lines.append(
            "The bot passes these by other names: " + ", ".join(f"{c} as {n}" for n, c in renamed.items())
        )
    lines.append(f"Labels: {sentence(found.rule)}")
    lines.append("        " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items()))
    lines += [_COSTS, "Written: " + ", ".join(map(str, paths)), "Next:"]
    own = [] if args.out == Path("config") else ["--config", str(args.out / "training.toml")]
    more = own and [
        "--feature-order",
        str(args.out / "feature_order.json"),
        "--gates",
        str(args.out / "gates.toml"),
    ]
    artifact = own and ["--config", str(args.out / "artifact.toml")]
    lines.append("  " + shell_words(["gradus", "train", "--features", str(args.table), *own, *more]))
    convert = ["gradus", "convert", "--run", "runs/current", "--store", "artifacts/NAME", "--pin"]
    lines.append("  " + shell_words([*convert, *artifact]))
    return lines


COMMAND = Command(
    name="init",
    summary="write a configuration: the default one, or one for your own table; or upgrade an older one",
    example="gradus init --from table.parquet --timezone UTC",
    configure=_configure,
    run=_run,
)
