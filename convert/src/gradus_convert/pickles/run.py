"""What `gradus import` does: pickle files, spec, built artifact, published version."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gradus_convert import conversion
from gradus_convert.artifact import build_artifact
from gradus_convert.config import load as load_config
from gradus_convert.pickles.files import MAX_BYTES
from gradus_convert.pickles.spec import RUNTIME, ImportRequest, import_spec
from gradus_runtime.contracts import names
from gradus_runtime.errors import UsageError

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Carry out a command line of `gradus import`."""
    started = time.perf_counter()
    with conversion.progress(quiet=args.json) as say:
        say("reading the files")
        spec = import_spec(_request(args))
        built = build_artifact(spec, say)
        conversion.finish(args, built, started, say)
    return 0


def _request(args: argparse.Namespace) -> ImportRequest:
    config = None if args.config is None else load_config(args.config)
    version = args.version or conversion.next_version(args.store)
    names.parse_version(version, place="--version")
    name = args.store.resolve().name if config is None else config.name
    if not names.is_artifact_name(name):
        raise UsageError(
            "a store's folder must be named as the artifact: lower-case words joined by single hyphens",
            place="--store",
            value=name,
            hint="Name the artifact in --config artifact.toml, or the store artifacts/btc-jpy.",
        )
    return ImportRequest(
        name=name,
        version=version,
        files=_files(args),
        weights=None if args.weights is None else _weights(args.weights),
        classes=args.classes,
        feature_order=args.feature_order,
        decision=None if config is None else config.decision,
        fallback_action=args.fallback_action,
        rows=args.rows,
        data_end=args.data_end,
        encoding=args.encoding,
        any_version=args.any_version,
        max_bytes=args.max_bytes or MAX_BYTES,
        runtime=RUNTIME if config is None else config.runtime,
        aliases={} if config is None else config.aliases,
    )


def _files(args: argparse.Namespace) -> dict[str, tuple[Path, ...]]:
    if bool(args.files) == bool(args.level):
        raise UsageError(
            "files must be given, either alone or by level",
            place="import",
            hint="gradus import ensemble.pkl ..., or --level level1=full.pkl --level level2=basic.pkl.",
        )
    if args.files:
        return {"": tuple(args.files)}
    found: dict[str, tuple[Path, ...]] = {}
    for text in args.level:
        name, equals, paths = text.partition("=")
        if not equals or not names.is_identifier(name) or not paths or name in found:
            raise UsageError("a level must be given once, as NAME=FILE", place="--level", value=text)
        found[name] = tuple(Path(p) for p in paths.split(","))
    return found


def _weights(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise UsageError("a weight must be NAME=NUMBER", place="--weights", value=part) from None
        if not 0.0 <= weights[name.strip()] < float("inf"):
            raise UsageError("a weight must be at least 0", place="--weights", value=part)
    return weights
