"""`gradus features`: the data report, the feature table, what a feature means, or those of the newest bar."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode, UsageError
from gradus_runtime.wording import counted

if TYPE_CHECKING:
    from gradus_runtime.contracts.feature_order import FeatureOrder
    from gradus_train.data.source import DataSource
    from gradus_train.ingest import Candles, Daily

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_train.commands.inputs import add_config_arguments, add_source_arguments

    add_source_arguments(parser)
    add_config_arguments(parser)
    parser.add_argument("--report", action="store_true", help="describe the data (the default)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table: .parquet, .csv or .csv.gz")
    parser.add_argument(
        "--explain", metavar="NAME", help="explain a feature: expression, unit, history, an example"
    )
    parser.add_argument(
        "--latest", action="store_true", help="older form of `gradus decide`; will be removed"
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.contracts import feature_order
    from gradus_train import config as configuration
    from gradus_train.commands.inputs import choose_config, source_from_arguments

    choose_config(args)
    order = feature_order.load(args.feature_order)
    config = configuration.load(args.config)
    if args.explain is not None:
        return _explain(args, order)
    source = source_from_arguments(args, config.data)
    if args.latest:
        if args.report or args.out is not None:
            raise UsageError("--latest must be given alone", value="--report" if args.report else "--out")
        print(json.dumps(_latest(source, order)))
        return ExitCode.DONE
    from gradus_runtime.contracts import codec
    from gradus_train.data.data_report import make_report
    from gradus_train.data.dataset import load_dataset
    from gradus_train.data.export import write_table
    from gradus_train.data.report_text import report_text

    dataset = load_dataset(source, order, config.labels, table_reach=config.table_reach)
    if args.out is not None:
        write_table(dataset, args.out)
    if args.report or args.out is None:
        report = make_report(dataset, order)
        print(json.dumps(codec.encode(report), indent=2) if args.json else report_text(report))
    elif args.json:
        print(json.dumps({"out": str(args.out), "rows": len(dataset.timestamps)}))
    else:
        rows, features = len(dataset.timestamps), len(order.names)
        print(f"{counted(rows, 'row')} of {counted(features, 'feature')}: {args.out}")
    return ExitCode.DONE


def _explain(args: argparse.Namespace, order: FeatureOrder) -> int:
    from gradus_runtime.contracts import codec
    from gradus_train import config as configuration
    from gradus_train.commands.inputs import source_from_arguments
    from gradus_train.data.source import DataSettings
    from gradus_train.features.explanation import explain_feature, explanation_text

    if args.report or args.latest or args.out is not None:
        raise UsageError("--explain must be given alone")
    source, settings = None, configuration.load(args.config).data
    if args.candles is not None:
        source = source_from_arguments(args, settings)
        settings = source.settings
    elif args.bar_minutes is not None:
        settings = DataSettings(bar_minutes=args.bar_minutes)
    told = explain_feature(order, args.explain, settings.feature_settings, place=str(args.feature_order))
    if source is not None:
        told = told.with_example(_newest(source, order, args.explain))
    print(json.dumps(codec.encode(told), indent=2) if args.json else explanation_text(told))
    return ExitCode.DONE


def _newest(source: DataSource, order: FeatureOrder, name: str) -> tuple[str, float | None]:
    """The newest bar's time, and a feature of it over the whole history."""
    from gradus_runtime.candles.reading import iso_time
    from gradus_train.features.latest import latest_of

    candles, daily = _read(source, order)
    made = latest_of(candles, daily, order, [name], source.settings.feature_settings, from_start=True)
    return iso_time(candles.frame["timestamp"][-1]), made[name]


def _latest(source: DataSource, order: FeatureOrder) -> Mapping[str, float | None]:
    from gradus_runtime.candles.reading import iso_time
    from gradus_train.features.latest import SUCCESSOR, latest_of

    candles, daily = _read(source, order)
    last = iso_time(candles.frame["timestamp"][-1])
    print(
        f"Features of the bar that opens at {last}. "
        f"--latest will be removed in the next release. {SUCCESSOR}",
        file=sys.stderr,
    )
    return latest_of(candles, daily, order, None, source.settings.feature_settings)


def _read(source: DataSource, order: FeatureOrder) -> tuple[Candles, Daily | None]:
    from gradus_train.features import resolved
    from gradus_train.ingest import load_candles, load_daily
    from gradus_train.ingest.table_file import has_torn_line

    s = source.settings
    if source.candles is None:
        raise UsageError("--latest computes features, so it needs candles", hint="Use --candles FILE.")
    for path in filter(None, (source.candles, source.daily)):
        if has_torn_line(path):
            print(
                f"{path}: the last line has no newline: it may be incomplete, and is left out",
                file=sys.stderr,
            )
    candles = load_candles(
        source.candles, bar_ms=s.bar_ms, timezone=s.timezone, stamps=s.stamps, growing=True
    )
    daily = None
    if source.daily is not None:
        daily = load_daily(source.daily, resolved(order).daily, growing=True)
    return candles, daily


COMMAND = Command(
    name="features",
    summary="report on the data, write the table of features, or explain a feature",
    example="gradus features --candles candles.csv --daily macro.csv --report",
    configure=_configure,
    run=_run,
)
