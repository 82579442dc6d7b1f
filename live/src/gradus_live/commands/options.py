"""The options that the commands of gradus-live share."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_live.bars import Bars
from gradus_live.candles import load_bars
from gradus_live.contracts_of import contracts_of, label_from, manifests_of
from gradus_live.costs import load_costs
from gradus_live.outcomes import Joined, join, merge_outcomes, read_outcomes
from gradus_live.outcomes.file import OutcomeLine
from gradus_runtime.cli import options
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.errors import UsageError
from gradus_runtime.journal import JournalContent, read_journal

__all__ = ["add_sources", "joined", "source_of"]


def add_sources(parser: argparse.ArgumentParser, *, journal: bool) -> None:
    """Add what names the journal, the candles and the store."""
    parser.add_argument(
        "--journal",
        action="append",
        default=[],
        required=journal,
        metavar="PATH",
        help="a journal's folder or file, or an exported log (repeatable)",
    )
    parser.add_argument(
        "--candles",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        required=journal,
        help="later candles: CSV, JSON Lines or Parquet (repeatable)",
    )
    parser.add_argument(
        "--bar", type=options.seconds, metavar="DURATION", help="length of a bar, such as 15m"
    )
    parser.add_argument(
        "--stamps",
        choices=("open", "close"),
        default="open",
        help="what a candle's stamp is: its opening, or the opening of the next one",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="the label, a table [labels] as in training.toml; by default that of each version's manifest",
    )
    parser.add_argument(
        "--costs", type=Path, metavar="FILE", help="costs.toml; by default those of each version's manifest"
    )
    options.add_source(parser)


def source_of(args: argparse.Namespace) -> str | Path:
    """Return the store or artifact that the arguments name."""
    return args.source if args.source is not None else options.chosen_store(args).path


def joined(
    args: argparse.Namespace, file: Path | None
) -> tuple[JournalContent | None, Joined, tuple[OutcomeLine, ...], dict[str, Manifest]]:
    """Read what the arguments name, and join it.

    Args:
        args: With the arguments of `add_sources`.
        file: Outcomes that were joined before; None for none.

    Returns:
        The journal, what was joined now, all outcomes, and the manifests by digest.
    """
    manifests = manifests_of(source_of(args))
    old = () if file is None else read_outcomes(file)
    if not args.journal:
        return None, Joined((), 0, 0, 0), merge_outcomes(old, ()), manifests
    if not args.candles:
        raise UsageError("a journal needs the candles after its decisions", hint="Give --candles FILE.")
    content = read_journal(args.journal)
    label = None if args.labels is None else label_from(args.labels)
    digests = {line.digest for line in content.decisions}
    costs = None if args.costs is None else load_costs(args.costs)
    contracts = contracts_of({d: m for d, m in manifests.items() if d in digests}, label, costs)
    new = join(content.decisions, _bars(args), contracts)
    return content, new, merge_outcomes(old, new.lines), manifests


def _bars(args: argparse.Namespace) -> Bars:
    bar_ms = None if args.bar is None else round(args.bar * 1000)
    return load_bars(args.candles, bar_ms=bar_ms, stamps=args.stamps)
