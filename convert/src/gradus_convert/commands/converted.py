"""What `gradus convert` and `gradus import` print: progress, and what came out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradus_convert.conversion import Conversion, keeps_pin
from gradus_runtime.cli import options, output
from gradus_runtime.contracts.manifest import Level
from gradus_runtime.store import Store
from gradus_runtime.wording import counted

__all__ = ["pin_and_report", "progress"]


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A moving line on a terminal, plain lines elsewhere, nothing with --json; all on stderr."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console

        console = Console(stderr=True)
        with console.status("starting") as status:

            def show(text: str) -> None:
                console.log(text)
                status.update(text)

            yield show
    else:
        yield lambda text: print(text, file=sys.stderr, flush=True)


def pin_and_report(args: argparse.Namespace, done: Conversion) -> None:
    """Print what was converted, and pin it if asked for; that it is published is printed before.

    Args:
        args: With `store`, `pin`, `no_check`, `actor` and `json`; `pin_anyway` where there is such an option.
        done: Published, unless it was a dry run.
    """
    if not args.json:
        _print(done)
    anyway = getattr(args, "pin_anyway", False)
    wanted = (args.pin or anyway) and done.path is not None
    kept = keeps_pin(Store(args.store), done.manifest) if wanted and not anyway else None
    if kept is not None:
        wanted = False
        if not args.json:
            print(kept)
    if wanted:
        store = Store(args.store)
        before = output.pin_before(store)
        pin = store.pin(done.manifest.version, actor=args.actor, check=options.pin_check(args))
        if not args.json:
            output.report_pin(store, before, pin, as_json=False)
        elif done.manifest.provenance.simulated:
            output.warn_of_simulation(pin.version)
    if args.json:
        print(json.dumps(_value(done, pinned=wanted)))


def _print(done: Conversion) -> None:
    m = done.manifest
    for s in m.levels:
        size = f"{s.name}: {done.sizes[s.file]:,} bytes ({s.encoding}, bits {s.bits})"
        checks = s.parity.leaf_checks
        leaves = f"{counted(checks, 'leaf', 'leaves')} compared, {s.parity.wrong_leaves} wrong"
        print(f"{size}, {leaves}, probabilities within {s.parity.max_difference:.2g}")
    print(f"{m.name} {m.version}, digest {m.digest()}, in {done.seconds:.1f} s")
    print("nothing was published (--dry-run)" if done.path is None else f"published: {done.path}")
    for text in done.remarks:
        print(f"to know: {text}")


def _value(done: Conversion, *, pinned: bool) -> dict[str, Any]:
    m = done.manifest
    return {
        "version": m.version,
        "digest": m.digest(),
        "path": None if done.path is None else str(done.path),
        "pinned": pinned,
        "seconds": round(done.seconds, 3),
        "remarks": list(done.remarks),
        "levels": {s.name: _level(s, done.sizes[s.file]) for s in m.levels},
    }


def _level(level: Level, size: int) -> dict[str, Any]:
    return {
        "encoding": level.encoding,
        "bytes": size,
        "leaf_checks": level.parity.leaf_checks,
        "wrong_leaves": level.parity.wrong_leaves,
        "boundary_rows": level.parity.boundary_rows,
        "max_difference": level.parity.max_difference,
        "label_changes": level.parity.label_changes,
        "ties": level.parity.ties,
        "bits": level.bits,
        "max_error": level.parity.max_error,
    }
