"""`gradus features`: the data report, the feature table, or the features of the newest bar."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from gradus_train.data.source import DataSource

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_train.commands.inputs import add_source_arguments

    add_source_arguments(parser)
    parser.add_argument(
        "--config", type=Path, default=Path("config/training.toml"), help="labels, data rules"
    )
    parser.add_argument(
        "--feature-order", type=Path, default=Path("config/feature_order.json"), help="features and levels"
    )
    parser.add_argument("--report", action="store_true", help="describe the data (the default)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table: .parquet, .csv or .csv.gz")
    parser.add_argument(
        "--latest", action="store_true", help="print the newest bar's features as one line of JSON"
    )


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.contracts import feature_order
    from gradus_train import config as configuration
    from gradus_train.commands.inputs import source_from_arguments

    order = feature_order.load(args.feature_order)
    config = configuration.load(args.config)
    source = source_from_arguments(args, config.data)
    if args.latest:
        if args.report or args.out is not None:
            raise UsageError("--latest must stand alone", value="--report" if args.report else "--out")
        print(json.dumps(_latest(source, order.names)))
        return ExitCode.DONE
    from gradus_runtime.contracts import codec
    from gradus_train.data.dataset import load_dataset
    from gradus_train.data.export import write_table
    from gradus_train.data.report import make_report
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
        print(f"{len(dataset.timestamps):,} rows of {len(order.names)} features: {args.out}")
    return ExitCode.DONE


def _latest(source: DataSource, names: Sequence[str]) -> Mapping[str, float | None]:
    from gradus_train.features import FeatureSettings
    from gradus_train.features.latest import latest_of
    from gradus_train.ingest import load_candles, load_daily

    s = source.settings
    if source.candles is None:
        raise UsageError("--latest computes features, so it needs candles", hint="Use --candles FILE.")
    candles = load_candles(source.candles, bar_ms=s.bar_ms, timezone=s.timezone, stamps=s.stamps)
    daily = load_daily(source.macro) if source.macro is not None else None
    return latest_of(candles, daily, names, FeatureSettings(s.bar_ms, s.market_timezone, s.carry_days))


COMMAND = Command(
    name="features",
    summary="report on the data, write the table of features, or print those of the newest bar",
    example="gradus features --candles candles.csv --macro macro.csv --report",
    configure=_configure,
    run=_run,
)
