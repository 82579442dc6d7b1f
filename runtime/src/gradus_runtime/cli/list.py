"""`gradus list`: the versions of a store."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command

if TYPE_CHECKING:
    from gradus_runtime.store.listing import Listed

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_store(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output
    from gradus_runtime.store.listing import list_versions

    listed = list_versions(options.chosen_store(args))
    if args.json:
        output.print_json(listed)
        return 0

    head = ("VERSION", "CREATED", "DATA", "VERDICT", "METRICS OF THE FIRST LEVEL", "SIZE", "PINNED")
    output.print_table(head, [_row(v) for v in listed])
    for v in listed:
        if v.problem is not None:
            print(f"{v.version} is damaged: {v.problem}")
    return 0


def _row(v: Listed) -> tuple[str, ...]:
    from gradus_runtime.cli import output
    from gradus_runtime.contracts.manifest import period

    pinned = "*" if v.pinned else ""
    if v.problem is not None:
        return (v.version, v.created or "", "damaged", "", "", "", pinned)
    metrics = output.headline(next(iter(v.metrics.values())))
    start, end = (None if t is None else t[:10] for t in (v.data_start, v.data_end))
    data = period(start, end) + (" (simulated)" if v.simulated else "")
    return (
        v.version,
        v.created or "",
        data,
        v.verdict or "unknown",
        metrics,
        f"{v.size / 1e6:.2f} MB",
        pinned,
    )


COMMAND = Command(
    "list",
    "list the versions of a store, and which is pinned",
    "gradus list --store artifacts/btc-jpy",
    _configure,
    _run,
)
