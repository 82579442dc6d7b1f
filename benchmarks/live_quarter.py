"""After how many bars the live record says that a bot got worse: a quarter with a fault in its middle.

    python -m benchmarks.live_quarter --store artifacts/NAME --table features.csv --candles candles.csv

The version must have been trained on the candles before that quarter; the table is that of `gradus features
--out`. The bot decides every bar as it came. The fault: from the middle on the first class stands last
("turned"), as where a retrained model has another order of classes; or every row is that of the bar in the
middle ("stuck").
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gradus_live.candles import load_bars
from gradus_live.contracts_of import contracts_of, costs_of, manifests_of
from gradus_live.outcomes import OutcomeLine, join
from gradus_live.record import LiveRecord, build_record, render_page
from gradus_runtime import Predictor
from gradus_runtime.contracts.manifest import Manifest
from gradus_runtime.journal import DecisionLine, read_journal
from gradus_runtime.rows.files import read_table

__all__ = ["bars_until_worse", "main"]

DAY = 96


def decided(args: argparse.Namespace, journal: Path) -> None:
    """Let the bot decide every bar of the last days, in its journal."""
    with Predictor.open(args.store, max_age_days=1e5, journal=journal, sync="never") as bot:
        names = [str(name) for name in bot.feature_names_in_]
        found = read_table(Path(args.table), names, whole=True)
        first = max(0, found.count - args.days * DAY)
        columns = {name: list(found.columns[name])[first:] for name in names}
        stamps = list(found.columns["timestamp"])[first:]
        if args.fault == "stuck":
            middle = len(stamps) // 2
            columns = {name: [*v[:middle], *[v[middle]] * (len(v) - middle)] for name, v in columns.items()}
        table = np.array([[np.nan if v is None else v for v in columns[n]] for n in names], np.float32).T
        for start in range(0, len(table), 2048):
            part = slice(start, start + 2048)
            bot.predict(np.ascontiguousarray(table[part]), ordered=True, journal=True, at=stamps[part])


def turned(decisions: Sequence[DecisionLine], manifests: Mapping[str, Manifest]) -> list[DecisionLine]:
    """The same decisions; from the middle on, the first class stands last, and calls and actions follow."""
    middle = len(decisions) // 2
    found = list(decisions[:middle])
    for line in decisions[middle:]:
        bits = line.bits[8:] + line.bits[:8]
        shares = np.frombuffer(bytes.fromhex(bits), ">f4")
        call = manifests[line.digest].classes[int(shares.argmax())]
        action = call if line.action == line.call else line.action
        found.append(dataclasses.replace(line, bits=bits, call=call, action=action))
    return found


def bars_until_worse(lines: Sequence[OutcomeLine], record: LiveRecord) -> int | None:
    """Return after how many bars the record first said "worse than promised", looked at every day."""
    if record.overall.said is None:
        return None
    end = datetime.fromisoformat(record.overall.said).replace(tzinfo=UTC) + timedelta(days=1)
    return sum(line.bar < end.timestamp() * 1000 for line in lines)


def main() -> int:
    """Replay, look every day, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--candles", required=True, type=Path)
    parser.add_argument("--days", type=int, default=91)
    parser.add_argument("--fault", choices=("none", "turned", "stuck"), default="turned")
    parser.add_argument("--html", type=Path, default=Path("live_quarter.html"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        decided(args, Path(folder))
        decisions: Sequence[DecisionLine] = read_journal([folder]).decisions
    manifests = manifests_of(args.store)
    if args.fault == "turned":
        decisions = turned(decisions, manifests)
    lines = list(join(decisions, load_bars([args.candles]), contracts_of(manifests, None)).lines)
    record = build_record(lines, manifests, costs_of(manifests.values()))
    said = bars_until_worse(lines, record)
    args.html.write_text(render_page(record), encoding="utf-8")
    middle = len(decisions) // 2
    when = "never" if said is None else f"at bar {said:,}, {said - middle:+,} from the middle"
    print(f"{len(decisions):,} bars, fault {args.fault}: said to be worse {when}")
    print(f"{record.overall.sentence}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
