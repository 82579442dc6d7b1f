"""`gradus watch`: say what a person should know, to Discord, Slack, mail or any URL."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command

if TYPE_CHECKING:
    from gradus_live.watch import Alert

__all__ = ["COMMAND", "DESTINATIONS"]

DESTINATIONS = "GRADUS_NOTIFY"
"""The environment variable that holds destinations, separated by blanks."""


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_journal(parser)
    parser.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="URL",
        help=f"a destination (repeatable); by default those in {DESTINATIONS}, with blanks between",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        default=Path("watch-state.json"),
        help="file of the alerts that were sent (default: watch-state.json)",
    )
    parser.add_argument(
        "--bar",
        type=options.seconds,
        metavar="DURATION",
        default=900.0,
        help="length of a bar (default: 15m)",
    )
    parser.add_argument(
        "--bars",
        type=int,
        metavar="N",
        default=4,
        help="alert after so many decisions below the first level (default: 4)",
    )
    parser.add_argument(
        "--expiry-days",
        type=float,
        metavar="DAYS",
        default=3.0,
        help="alert so long before the expiry (default: 3)",
    )
    parser.add_argument(
        "--rows-per-observation",
        type=float,
        metavar="N",
        help="no effect; will be removed in the next release",
    )
    parser.add_argument("--outcomes", type=Path, metavar="FILE", help="outcomes, for the live record")
    parser.add_argument(
        "--every", type=options.seconds, metavar="DURATION", help="keep watching until stopped"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the alerts; send nothing")
    options.add_source(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_live.watch import deliver, read_state
    from gradus_live.watch.delivery import by_apprise
    from gradus_runtime.cli import output
    from gradus_runtime.errors import UsageError
    from gradus_runtime.wording import counted

    if args.rows_per_observation is not None:
        print(
            "--rows-per-observation has no effect: alarm levels of drift come with the artifact",
            file=sys.stderr,
        )
    destinations = args.to or os.environ.get(DESTINATIONS, "").split()
    if not destinations and not args.dry_run:
        raise UsageError(
            "a destination must be given",
            place="--to",
            hint=f"Give --to URL, set {DESTINATIONS}, or look first: --dry-run.",
        )
    send = None if args.dry_run else by_apprise(destinations)
    while True:
        alerts = _look(args)
        failed: list[str] = []
        count = 0
        if send is not None:
            count, failed = deliver(alerts, destinations, read_state(args.state), send)
        if args.json:
            output.print_json(
                {"alerts": [_encode(alert) for alert in alerts], "sent": count, "failed": failed}
            )
        else:
            for alert in alerts if args.dry_run else ():
                print(f"{alert.kind}: {alert.message}")
            end = f", {len(failed)} could not be sent" if failed else ""
            print(
                f"{counted(len(alerts), 'alert')}, {counted(count, 'message')} sent{end}",
                flush=True,
            )
        if args.every is None:
            return 3 if failed else 0
        time.sleep(args.every)


def _look(args: argparse.Namespace) -> list[Alert]:
    from gradus_live.commands import options
    from gradus_live.contracts_of import manifests_of
    from gradus_live.outcomes import read_outcomes
    from gradus_live.record import build_record
    from gradus_live.watch import AlertLimits, find_alerts
    from gradus_runtime.journal import read_journal

    content = read_journal(args.journal)
    manifests = manifests_of(options.source_of(args))
    outcomes = () if args.outcomes is None else read_outcomes(args.outcomes)
    record = build_record(outcomes, manifests, None) if outcomes else None
    limits = AlertLimits(args.bar, bars=args.bars, expiry_days=args.expiry_days)
    return find_alerts(content, manifests, record, limits, time.time())


def _encode(alert: Alert) -> dict[str, str]:
    return {"id": alert.id, "kind": alert.kind, "text": alert.text}


COMMAND = Command(
    "watch",
    "send alerts: of version, level, drift, record, silence, expiry, reload",
    "gradus watch --journal journal/ --store artifacts/btc-jpy --dry-run",
    _configure,
    _run,
)
