"""`gradus import`: a production ensemble out of pickle or joblib files to a proved artifact version."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command

if TYPE_CHECKING:
    from gradus_convert.pickles.import_request import ImportRequest

__all__ = ["COMMAND", "import_request_of"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_convert.commands.options import add_publishing
    from gradus_convert.readers.formats import known_files

    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="one file with an ensemble, or one file per model: pickle or joblib, compressed or not; "
        f"{known_files()} (without trees)",
    )
    parser.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="NAME=FILE[,FILE...]",
        help="the files of a level, best level first; may be repeated",
    )
    parser.add_argument("--weights", metavar="NAME=WEIGHT,...", help="instead of the weights in the files")
    parser.add_argument(
        "--classes",
        metavar="NAME,...",
        help="names of the labels in their order (SELL,HOLD,BUY), or LABEL=NAME,... in the wanted order",
    )
    parser.add_argument("--feature-order", type=Path, help="feature_order.json; by default derived")
    parser.add_argument("--config", type=Path, help="artifact.toml: name, decision, runtime, aliases")
    parser.add_argument("--fallback-action", metavar="CLASS", help="without --config; by default HOLD")
    parser.add_argument(
        "--rows",
        type=Path,
        help="rows of the training data, for ranges, drift and the proof; any file of rows",
    )
    parser.add_argument("--data-end", metavar="TIME", help="end of the training data, ISO 8601 in UTC")
    parser.add_argument(
        "--any-version",
        action="store_true",
        help="accept files of another scikit-learn version, at your own risk",
    )
    parser.add_argument(
        "--max-bytes", type=int, help="size limit of a file, also decompressed (default: 1 GiB)"
    )
    parser.add_argument(
        "--rounds",
        choices=("best", "all"),
        help="which trees of early-stopped boosters; by default those that the library's own predict uses",
    )
    parser.add_argument(
        "--rename-features",
        action="store_true",
        help="replace characters that a feature's name cannot have by _",
    )
    parser.add_argument(
        "--max-memory", type=int, metavar="BYTES", help="memory limit of the process that reads the files"
    )
    parser.add_argument(
        "--max-seconds", type=float, metavar="N", help="time limit of that process, in seconds"
    )
    add_publishing(parser)


def _run(args: argparse.Namespace) -> int:
    import time

    from gradus_convert.commands.converted import pin_and_report, progress
    from gradus_convert.conversion import publish_built
    from gradus_convert.isolation import ProcessLimits
    from gradus_convert.pickles.run import default_limits, import_pickles

    started = time.perf_counter()
    request = import_request_of(args)
    usual = default_limits([path for paths in request.files.values() for path in paths])
    limits = ProcessLimits(
        usual.memory if args.max_memory is None else args.max_memory,
        usual.seconds if args.max_seconds is None else args.max_seconds,
    )
    with progress(quiet=args.json) as say:
        built = import_pickles(request, limits=limits, progress=say)
        seconds = time.perf_counter() - started
        store = None if args.dry_run else args.store
        done = publish_built(built, store, actor=args.actor, seconds=seconds, progress=say)
    pin_and_report(args, done)
    return 0


def import_request_of(args: argparse.Namespace) -> ImportRequest:
    """Return what a command line asks for.

    Raises:
        UsageError: It does not fit together.
    """
    from gradus_convert.config import load as load_config
    from gradus_convert.conversion import next_version
    from gradus_convert.pickles.import_request import RUNTIME, ImportRequest
    from gradus_convert.pickles.pickle_files import MAX_BYTES
    from gradus_runtime.contracts import names
    from gradus_runtime.errors import UsageError
    from gradus_runtime.store.write_lock import acting

    config = None if args.config is None else load_config(args.config)
    version = args.version or next_version(args.store)
    names.parse_version(version, place="--version")
    acting(args.actor)  # refused before the work, not after it
    name = (config and config.name) or args.store.resolve().name
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
        max_bytes=MAX_BYTES if args.max_bytes is None else args.max_bytes,
        runtime=RUNTIME if config is None else config.runtime,
        aliases={} if config is None else config.aliases,
        drop=tuple(args.drop_member),
        rounds=args.rounds,
        rename_features=args.rename_features,
    )


def _files(args: argparse.Namespace) -> dict[str, tuple[Path, ...]]:
    from gradus_runtime.contracts import names
    from gradus_runtime.errors import UsageError

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
    from gradus_runtime.errors import UsageError

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


COMMAND = Command(
    "import",
    "convert model files, including pickles, to a proved artifact version, without running their code",
    "gradus import production_ensemble.pkl --store artifacts/btc-jpy --classes SELL,HOLD,BUY",
    _configure,
    _run,
)
