"""Options that `train` and `tune` share: data, configuration, levels, seed; and the plan that they make."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.errors import UsageError
from gradus_train.commands.simulate import DEFAULT_BARS
from gradus_train.data.source import STAMPS, DataSettings, DataSource

if TYPE_CHECKING:
    from gradus_train.data.dataset import Dataset
    from gradus_train.training.prepare import Plan
    from gradus_train.training.progress import Progress

__all__ = [
    "add_config_arguments",
    "add_input_arguments",
    "add_scheduler_argument",
    "add_source_arguments",
    "choose_config",
    "chosen_levels",
    "jobs_of",
    "read_plan",
    "source_from_arguments",
]


def add_input_arguments(parser: argparse.ArgumentParser, *, gates: bool = False) -> None:
    """Add the options that `read_plan` reads, and with `gates` that of the gates."""
    add_source_arguments(parser)
    parser.add_argument("--simulate", action="store_true", help="use the embedded market instead of files")
    parser.add_argument(
        "--bars",
        type=int,
        metavar="N",
        help=f"length of the embedded market, in bars (default: {DEFAULT_BARS:,})",
    )
    add_config_arguments(parser, gates=gates)
    parser.add_argument("--params", type=Path, help="tuned parameters, as `gradus tune` writes them")
    parser.add_argument(
        "--level", default="all", metavar="1|2|3|all", help="which levels: numbers, names, or all"
    )
    parser.add_argument("--days", type=int, metavar="N", help="use the latest N days only")
    parser.add_argument(
        "--drop-member",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this member out, the weights of the others renormalised; may be repeated",
    )
    parser.add_argument("--seed", type=int, help="random seed (default: the configuration's)")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="number of parts trained at a time (default: the number of cores)",
    )
    add_scheduler_argument(parser)


def add_scheduler_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that `open_pool` reads."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train parts on the workers of a Dask cluster, such as tcp://host:8786, instead of here",
    )


def add_config_arguments(parser: argparse.ArgumentParser, *, gates: bool = False) -> None:
    """Add the options that name configuration files, which `choose_config` settles.

    Args:
        parser: Of a command.
        gates: Whether the command reads gates.
    """
    known = [
        ("config", "training.toml", "how to train, and rules for reading data"),
        ("feature-order", "feature_order.json", "features and levels"),
        ("gates", "gates.toml", "what a run must pass"),
    ]
    for option, file, what in known if gates else known[:2]:
        default = f"config/{file}, or the packaged one where there is none"
        parser.add_argument(f"--{option}", type=Path, metavar="FILE", help=f"{what}; default: {default}")


def choose_config(args: argparse.Namespace) -> None:
    """Set the configuration files that were not named, to those in `config/` or to the package's defaults.

    Raises:
        GradusError: A default is not there.
    """
    from gradus_runtime.contracts.default_files import chosen

    files = {"config": "training.toml", "feature_order": "feature_order.json", "gates": "gates.toml"}
    asked = {name: file for name, file in files.items() if name in args}
    paths = chosen("gradus_train", [(file, getattr(args, name)) for name, file in asked.items()])
    for name, path in zip(asked, paths, strict=True):
        setattr(args, name, path)


def read_plan(args: argparse.Namespace, progress: Progress) -> Plan:
    """Read configuration and data, and plan the run.

    Raises:
        GradusError: A file, an option or the data breaks a rule.
    """
    from gradus_runtime.contracts import feature_order
    from gradus_train import config as configuration
    from gradus_train.data.dataset import load_dataset
    from gradus_train.training.prepare import prepare

    config = configuration.load(args.config).with_seed(args.seed).without_members(args.drop_member)
    if args.params is not None:
        from gradus_train.tuning.parameters import load_into

        config = load_into(config, args.params)
    order = feature_order.load(args.feature_order)
    levels = chosen_levels(args.level, [s.name for s in order.levels])
    if args.days is not None and args.days < 1:
        raise UsageError("days must be at least 1", place="--days", value=args.days)
    with _source(args, config.data) as source:
        source.check_files()
        progress.say("Reading the data and computing features, once for all levels")
        dataset = load_dataset(source, order, config.labels, table_reach=config.table_reach)
    if args.days is not None:
        dataset = _latest(dataset, args.days)
    return prepare(dataset, order, config, levels)


@contextmanager
def _source(args: argparse.Namespace, settings: DataSettings) -> Iterator[DataSource]:
    """Yield the source that the command line names; a simulated market lives in a temporary folder."""
    if args.bars is not None and not args.simulate:
        raise UsageError("--bars goes with --simulate", place="--bars", value=args.bars)
    if not args.simulate:
        yield source_from_arguments(args, settings)
        return
    if args.candles or args.daily or args.features:
        raise UsageError("--simulate takes no files", hint="Leave out --candles, --daily and --features.")
    from gradus_train.market import simulate

    with tempfile.TemporaryDirectory(prefix="gradus-market-") as folder:
        files = simulate(Path(folder), bars=DEFAULT_BARS if args.bars is None else args.bars)
        yield DataSource(candles=files.candles, daily=files.macro)


def chosen_levels(text: str, known: list[str]) -> list[str]:
    """Return level names for "all", numbers from 1, or names, with commas between; in the order of `known`.

    Raises:
        UsageError: One is not known.
    """
    if text == "all":
        return known
    chosen = set()
    for item in text.split(","):
        name = known[int(item) - 1] if item.isdigit() and 1 <= int(item) <= len(known) else item
        if name not in known:
            raise UsageError(
                "a level must be a number from 1, a name, or all",
                place="--level",
                value=item,
                hint=f"Levels here: {', '.join(known)}.",
            )
        chosen.add(name)
    return [name for name in known if name in chosen]


def jobs_of(args: argparse.Namespace) -> int:
    """Return --jobs, or the number of cores that this process may use.

    Raises:
        UsageError: It is not positive.
    """
    if args.jobs is None:
        return len(os.sched_getaffinity(0))
    if args.jobs < 1:
        raise UsageError("jobs must be at least 1", place="--jobs", value=args.jobs)
    return int(args.jobs)


def _latest(dataset: Dataset, days: int) -> Dataset:
    from gradus_train.training.prepare import latest_days

    return dataset.select(latest_days(dataset, days))


class _FormerName(argparse.Action):
    """An option by its former name: it works, and says the new one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        print(
            f"{option_string} is now called --{self.dest}; the old name will be removed in the next release",
            file=sys.stderr,
        )
        setattr(namespace, self.dest, values)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `source_from_arguments` reads."""
    group = parser.add_argument_group("data")
    group.add_argument("--candles", type=Path, metavar="FILE", help="candles: CSV (.gz too) or Parquet")
    group.add_argument("--daily", type=Path, metavar="FILE", help="daily series: CSV (.gz too) or Parquet")
    group.add_argument("--macro", type=Path, dest="daily", action=_FormerName, help=argparse.SUPPRESS)
    group.add_argument(
        "--features",
        type=Path,
        metavar="FILE",
        help="a table of your own features, beside or without candles",
    )
    group.add_argument(
        "--bar",
        type=int,
        dest="bar_minutes",
        metavar="MINUTES",
        help="length of a bar; shorter ones are resampled (default: the configuration's, of these four)",
    )
    group.add_argument(
        "--timezone", metavar="ZONE", help="time zone of stamps without one, such as Asia/Tokyo"
    )
    group.add_argument("--stamps", choices=STAMPS, help="what a stamp is: the time a bar opens, or closes")
    group.add_argument("--minimum-rows", type=int, metavar="N", help="refuse fewer labelled rows than this")


def source_from_arguments(args: argparse.Namespace, defaults: DataSettings | None = None) -> DataSource:
    """Build the source that the command line names.

    Args:
        args: What a parser with `add_source_arguments` returned.
        defaults: The settings of the configuration, for what was not given.

    Raises:
        UsageError: The options contradict each other.
        ConfigError: A setting breaks a rule.
    """
    names = ("bar_minutes", "timezone", "stamps", "minimum_rows")
    given = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    settings = dataclasses.replace(defaults or DataSettings(), **given)
    return DataSource(args.candles, args.daily, args.features, settings)
