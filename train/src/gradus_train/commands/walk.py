"""`gradus walk`: the weekly procedure, replayed over a history, with what it would have earned."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.contracts import codec
from gradus_runtime.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from gradus_train.training.pools import Pool
    from gradus_train.training.progress import Progress
    from gradus_train.walk.market_history import History
    from gradus_train.walk.outages import Outages
    from gradus_train.walk.result import WalkResult
    from gradus_train.walk.versions import Procedure

__all__ = ["COMMAND"]

_CONFIG = {
    "config": ("training.toml", "how to train"),
    "feature_order": ("feature_order.json", "features and levels"),
    "gates": ("gates.toml", "what a run must pass"),
    "costs": ("costs.toml", "what a trade costs"),
    "artifact": ("artifact.toml", "how decisions are made of probabilities"),
}


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_train.commands.inputs import add_scheduler_argument, add_source_arguments

    add_source_arguments(parser)
    parser.add_argument(
        "--markets", type=Path, metavar="FILE", help="markets.toml: several markets, each with its options"
    )
    parser.add_argument(
        "--market", metavar="NAME", help="what the page calls the market (default: the candles' file)"
    )
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="first day, UTC: 2024-07-01")
    parser.add_argument(
        "--to", dest="last", type=_day, metavar="DAY", help="last day; whole weeks are walked"
    )
    parser.add_argument(
        "--train-days",
        type=int,
        default=180,
        metavar="N",
        help="days that a week trains on (default: 180)",
    )
    parser.add_argument(
        "--require",
        choices=("integrity", "direction"),
        default="integrity",
        help="what a version must have to be pinned: the integrity gates (default), or that verdict as well",
    )
    for name, (file, what) in _CONFIG.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=Path,
            metavar="FILE",
            help=f"{what}; default: config/{file}, or the packaged one where there is none",
        )
    parser.add_argument("--level", default="all", metavar="1|2|3|all", help="which levels to train")
    parser.add_argument("--seed", type=int, help="random seed; overrides the configuration's")
    parser.add_argument(
        "--outages", type=Path, metavar="FILE", help="recorded outages of groups: columns group, from, to"
    )
    parser.add_argument(
        "--outage-share",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="simulate outages: a group that some level can do without is missing for this share of time",
    )
    parser.add_argument(
        "--optimize",
        action="store_true",
        help="each week search parameters first, on the rows known then, like `gradus tune`",
    )
    parser.add_argument(
        "--n-trials", type=int, default=50, metavar="N", help="trials of a search, by member and level"
    )
    parser.add_argument(
        "--quick-proof",
        action="store_true",
        help="prove versions without the thresholds of their trees, except for the last week's",
    )
    parser.add_argument("--out", type=Path, default=Path("walks/current"), help="folder of the walk")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="parts trained at a time (default: the number of cores)"
    )
    add_scheduler_argument(parser)
    parser.add_argument("--verbose", action="store_true", help="show every part")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a day such as 2024-07-01 is needed, but got {text!r}") from None


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.contracts.default_files import chosen
    from gradus_train.commands.inputs import jobs_of
    from gradus_train.training.pool_choice import open_pool
    from gradus_train.training.progress import progress_for

    files = [(file, getattr(args, name)) for name, (file, _) in _CONFIG.items()]
    for name, path in zip(_CONFIG, chosen("gradus_train", files), strict=True):
        setattr(args, name, path)
    markets = [("", args, args.out)] if args.markets is None else _markets(args)
    jobs = jobs_of(args)
    with open_pool(jobs, scheduler=args.scheduler, folder=args.out / "tables") as pool:
        if args.markets is None:
            with progress_for(verbose=args.verbose) as progress:
                results = [_walk(args, args.out, pool, progress)]
        else:
            results = _walk_all(markets, pool)
    if args.json:
        found = {name: codec.encode(r) for (name, _, _), r in zip(markets, results, strict=True)}
        print(json.dumps(found[""] if args.markets is None else found, indent=2))
        return int(ExitCode.DONE)
    for (name, _, out), result in zip(markets, results, strict=True):
        print(f"\n== {name}" if name else "")
        _print(result, out)
    return int(ExitCode.DONE)


def _markets(args: argparse.Namespace) -> list[tuple[str, argparse.Namespace, Path]]:
    """Return name, options and folder of each market."""
    from gradus_train.walk.markets import load_markets

    dests = {"from": "first", "to": "last"}
    return [
        (
            market.name,
            argparse.Namespace(**vars(args) | {dests.get(k, k): v for k, v in options.items()}),
            args.out / market.name,
        )
        for market in load_markets(args.markets)
        for options in [{"market": market.name, **market.options}]
    ]


def _walk_all(markets: list[tuple[str, argparse.Namespace, Path]], pool: Pool) -> list[WalkResult]:
    """Walk markets beside each other, as many at a time as the pool has hands."""
    from concurrent.futures import ThreadPoolExecutor

    from gradus_train.training.progress import Lines

    with ThreadPoolExecutor(min(len(markets), pool.width)) as threads:
        walking = [
            threads.submit(_walk, args, out, pool, Lines(verbose=args.verbose, prefix=f"{name}: "))
            for name, args, out in markets
        ]
        try:
            return [w.result() for w in walking]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _walk(args: argparse.Namespace, out: Path, pool: Pool, progress: Progress) -> WalkResult:
    """Walk one market, and write its page."""
    from gradus_runtime.store.whole_file import write_whole
    from gradus_train.report.walk_page import render_walk
    from gradus_train.run.folder import check_writable
    from gradus_train.walk.walk import walk
    from gradus_train.walk.weeks import weeks_between

    if args.first is None or args.last is None:
        raise UsageError("a walk needs its first and its last day", place="--from, --to")
    weeks = weeks_between(args.first, args.last)
    check_writable(out)
    history, procedure, outages = _inputs(args, progress)
    result = walk(
        history,
        procedure,
        weeks,
        out,
        market=args.market or args.candles.name.partition(".")[0],
        require=args.require,
        outages=outages,
        pool=pool,
        progress=progress,
    )
    write_whole(out / "walk.html", render_walk(result).encode())
    return result


def _inputs(args: argparse.Namespace, progress: Progress) -> tuple[History, Procedure, Outages]:
    """What a walk needs; the data last, as it takes longest to read."""
    from gradus_live.costs import load_costs
    from gradus_runtime.contracts import feature_order
    from gradus_train import config as configuration
    from gradus_train.commands.inputs import chosen_levels, source_from_arguments
    from gradus_train.evaluation import gates
    from gradus_train.walk.market_history import read_history
    from gradus_train.walk.versions import Procedure

    if args.train_days < 1:
        raise UsageError("days must be at least 1", place="--train-days", value=args.train_days)
    if args.n_trials < 1:
        raise UsageError("trials must be at least 1", place="--n-trials", value=args.n_trials)
    config = configuration.load(args.config).with_seed(args.seed)
    order = feature_order.load(args.feature_order)
    procedure = Procedure(
        config=config,
        train_days=args.train_days,
        gates=gates.load(args.gates),
        costs=load_costs(args.costs),
        artifact=args.artifact,
        levels=tuple(chosen_levels(args.level, [s.name for s in order.levels])),
        quick_proof=args.quick_proof,
        trials=args.n_trials if args.optimize else 0,
    )
    outages = _outages(args, [group.name for group in order.groups], config.seed)
    source = source_from_arguments(args, config.data)
    source.check_files()
    progress.say("Reading the data and computing features, once for all weeks")
    return read_history(source, order, config.labels), procedure, outages


def _outages(args: argparse.Namespace, groups: list[str], seed: int) -> Outages:
    from gradus_train.walk.outages import Outages, read_outages

    recorded = () if args.outages is None else read_outages(args.outages, groups)
    return Outages(recorded, args.outage_share, seed)


def _print(result: WalkResult, out: Path) -> None:
    from gradus_train.walk.text import walk_text

    print(walk_text(result))
    print(f"\nPage: {out}/walk.html; all of it: {out}/walk.json; the versions: {out}/store/walk")


COMMAND = Command(
    name="walk",
    summary="replay the weekly procedure over a history: train, gate, convert, serve, trade",
    example="gradus walk --candles btc.csv --daily macro.csv --from 2024-07-01 --to 2024-12-31",
    configure=_configure,
    run=_run,
)
