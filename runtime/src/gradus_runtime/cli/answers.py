"""What commands that answer rows have alike: what is asked for, and how decisions are printed."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradus_runtime.errors import UsageError

if TYPE_CHECKING:
    from gradus_runtime.decision import Decision

__all__ = ["Write", "add_request", "csv_lines", "json_lines", "request_of"]

Write = Callable[[dict[str, Any], "Decision"], None]
"""Writes a decision, after values by name."""


def add_request(parser: argparse.ArgumentParser) -> None:
    """Add what a call may ask for: fillings, what is unavailable, levels, thresholds."""
    parser.add_argument(
        "--fill",
        action="append",
        default=[],
        metavar="GROUP=VALUE",
        help="replace a group's missing values; the reasons say so",
    )
    parser.add_argument(
        "--unavailable", action="append", default=[], metavar="GROUP", help="treat a group as missing"
    )
    parser.add_argument("--level", metavar="LEVEL", help="the only level that may serve")
    parser.add_argument("--min-level", metavar="LEVEL", help="the lowest level that may serve")
    parser.add_argument("--threshold", type=float, help="instead of the artifact's confidence threshold")
    parser.add_argument(
        "--no-confidence",
        action="store_true",
        help="answer with the most probable class, however low its confidence, whatever the policy",
    )


def request_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the arguments of `add_request` ask for, as options of `Predictor.decide` and `predict`.

    Raises:
        UsageError: A filling is no GROUP=NUMBER.
    """
    return {
        "fill": dict(_filling(text) for text in args.fill),
        "unavailable": args.unavailable,
        "level": args.level,
        "min_level": args.min_level,
        "confidence_threshold": args.threshold,
        "use_confidence": not args.no_confidence,
    }


def _filling(text: str) -> tuple[str, float]:
    group, _, value = text.partition("=")
    try:
        return group, float(value)
    except ValueError:
        raise UsageError("a filling must be GROUP=NUMBER", place="--fill", value=text) from None


def json_lines(kept: dict[str, Any], decision: Decision) -> None:
    """Write a decision as a line of JSON, after the values that are `kept`."""
    answer = {
        "action": decision.action,
        "call": decision.call,
        "held": decision.held,
        "confidence": decision.confidence,
        "level": decision.level,
        "probabilities": dict(decision.probabilities),
        "reasons": decision.reasons,
        "version": decision.version,
    }
    print(json.dumps(kept | answer, default=str))


def csv_lines(keep: Sequence[str]) -> Write:
    """Return what writes decisions as CSV, after the columns `keep`; the header comes with the first."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    started = False

    def write(kept: dict[str, Any], decision: Decision) -> None:
        nonlocal started
        if not started:
            started = True
            classes = [f"p_{name}" for name in decision.probabilities]
            writer.writerow([*keep, "action", "confidence", "level", *classes, "reasons", "call", "held"])
        numbers = [f"{p:.6f}" for p in decision.probabilities.values()]
        writer.writerow(
            [
                *kept.values(),
                decision.action,
                f"{decision.confidence:.6f}",
                decision.level,
                *numbers,
                "; ".join(decision.reasons),
                decision.call or "",
                decision.held or "",
            ]
        )

    return write
