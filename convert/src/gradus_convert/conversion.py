"""What `gradus convert` does: run folder, spec, built artifact, published version."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from gradus_convert import runs
from gradus_convert.artifact import BuiltArtifact, build_artifact
from gradus_convert.config import load as load_config
from gradus_runtime.cli import options, output
from gradus_runtime.contracts import names
from gradus_runtime.store import Store

__all__ = ["finish", "next_version", "progress", "run"]

Say = Callable[[str], None]


def run(args: argparse.Namespace) -> int:
    """Carry out a command line of `gradus convert`."""
    started = time.perf_counter()
    config = load_config(args.config)
    if not args.no_gate:
        runs.check_gate(args.run_folder)
    version = args.version or next_version(args.store)
    names.parse_version(version, place="--version")
    with progress(quiet=args.json) as say, _fewer_collections():
        spec = runs.read(
            args.run_folder,
            config,
            version=version,
            encoding=args.encoding,
            only=args.level,
            third_opinion=not args.no_third_opinion,
            progress=say,
        )
        finish(args, build_artifact(spec, say), started, say)
    return 0


def finish(args: argparse.Namespace, built: BuiltArtifact, started: float, say: Say) -> None:
    """Publish what was built, unless it is a dry run, and report it.

    Args:
        args: With `dry_run`, `store`, `pin`, `actor` and `json`.
        built: The proved artifact.
        started: `time.perf_counter()` at the beginning.
        say: Told what begins.
    """
    seconds = time.perf_counter() - started
    path = None if args.dry_run else _publish(args, built, seconds, say)
    if path is None or not args.pin:
        _report(args, built, path, seconds)
        return
    store = Store(args.store)
    before = output.pin_before(store)
    if not args.json:
        _report(args, built, path, seconds)  # published, whatever becomes of the pin
    pin = store.pin(built.manifest.version, actor=args.actor, check=options.pin_check(args))
    if args.json:
        _report(args, built, path, seconds)
    if not args.json:
        output.report_pin(store, before, pin, as_json=False)
    elif built.manifest.provenance.simulated:
        output.warn_of_simulation(pin.version)


def next_version(store: Path, today: date | None = None) -> str:
    """Name the next version of a day, with .postN when the store has, or ever had, that one.

    Args:
        store: Folder of the store; it may not exist yet.
        today: The day that names the version; the day of the clock, in UTC, if not given.
    """
    today = today or datetime.now(UTC).date()
    version = f"{today.year}.{today.month}.{today.day}"
    taken: set[str] = set()
    if (store / "versions").is_dir():
        taken = {*Store(store).versions(), *(e.version for e in Store(store).history())}
    number = 0
    candidate = version
    while candidate in taken:
        number += 1
        candidate = f"{version}.post{number}"
    return candidate


def _publish(args: argparse.Namespace, built: BuiltArtifact, seconds: float, say: Say) -> Path:
    from gradus_convert.publishing.publish import publish_version

    say("publishing")
    facts = {"conversion_seconds": round(seconds, 3), "processors": os.cpu_count() or 1}
    done = publish_version(args.store, built.manifest, built.files, facts, args.actor)
    return done.path


@contextmanager
def progress(*, quiet: bool) -> Iterator[Say]:
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


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Look for garbage less often: models are read into millions of objects, none of them in a cycle."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _report(args: argparse.Namespace, built: BuiltArtifact, path: Path | None, seconds: float) -> None:
    m = built.manifest
    if args.json:
        value = {
            "version": m.version,
            "digest": m.digest(),
            "path": None if path is None else str(path),
            "pinned": bool(args.pin and path),
            "seconds": round(seconds, 3),
            "remarks": list(built.remarks),
            "levels": {
                s.name: {
                    "encoding": s.encoding,
                    "bytes": len(built.files[s.file]),
                    "leaf_checks": s.parity.leaf_checks,
                    "wrong_leaves": s.parity.wrong_leaves,
                    "boundary_rows": s.parity.boundary_rows,
                    "max_difference": s.parity.max_difference,
                    "label_changes": s.parity.label_changes,
                    "ties": s.parity.ties,
                    "bits": s.bits,
                    "max_error": s.parity.max_error,
                }
                for s in m.levels
            },
        }
        print(json.dumps(value))
        return
    for s in m.levels:
        size = f"{s.name}: {len(built.files[s.file]):,} bytes ({s.encoding}, bits {s.bits})"
        leaves = f"{s.parity.leaf_checks:,} leaves compared, {s.parity.wrong_leaves} wrong"
        print(f"{size}, {leaves}, probabilities within {s.parity.max_difference:.2g}")
    for text in built.remarks:
        print(f"to know: {text}")
    print(f"{m.name} {m.version}, digest {m.digest()}, in {seconds:.1f} s")
    print("nothing was published (--dry-run)" if path is None else f"published: {path}")
