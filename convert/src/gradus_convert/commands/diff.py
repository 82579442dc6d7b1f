"""`gradus diff`: what changes from one version to another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted

if TYPE_CHECKING:
    from gradus_convert.comparison.versions import Answers, Difference

__all__ = ["COMMAND"]

Source = tuple[str, str | None]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    what = "a version of the store, or a folder, .zip or installed distribution"
    parser.add_argument("before", help=what)
    parser.add_argument("after", help=what)
    parser.add_argument(
        "--rows", type=Path, help="rows to compare their answers on, as predict takes them, or a holdout.npz"
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="compare the schemas only; feature_order.json and manifest.json files are accepted too",
    )
    parser.add_argument(
        "--fail-on",
        choices=("extended", "breaking"),
        help="compare the schemas, and exit with 1 at this verdict or a worse one",
    )
    options.add_store(parser)


def _run(args: argparse.Namespace) -> int:
    if args.schema or args.fail_on:
        return _run_schema(args)
    from gradus_convert.comparison.versions import compare_versions
    from gradus_runtime.cli import output
    from gradus_runtime.store import open_artifact

    sources = _source(args.before, args), _source(args.after, args)
    with open_artifact(*sources[0]) as before, open_artifact(*sources[1]) as after:
        found = compare_versions(before.manifest, after.manifest)
        features = {*before.manifest.feature_names, *after.manifest.feature_names}
    answers = _answers(sources, args.rows, features) if args.rows else None
    if args.json:
        output.print_json({"differences": [*map(_encode, found)], "answers": _encode(answers)})
    else:
        _print(found, answers)
    return 0


def _run_schema(args: argparse.Namespace) -> int:
    from gradus_convert.comparison.schema_changes import compare_schemas, load_schema_view
    from gradus_runtime.cli import output

    views = [load_schema_view(*_source(text, args)) for text in (args.before, args.after)]
    found = compare_schemas(*views)
    if args.json:
        output.print_json(found)
    else:
        print(found.verdict)
        for change in found.changes:
            print(f"  {change.verdict}: {change.kind}: {change.message}")
    return 1 if args.fail_on and found.fails(args.fail_on) else 0


def _source(text: str, args: argparse.Namespace) -> Source:
    """What an argument names: a source, and a version where the source is a store."""
    from gradus_runtime.cli import options
    from gradus_runtime.contracts import names
    from gradus_runtime.errors import UsageError
    from gradus_runtime.store import disk

    try:
        names.parse_version(text)
    except UsageError:
        return text, None
    with disk.failing("an artifact must be readable", text, reading=True):
        is_path = disk.exists(text)
    return (text, None) if is_path else (str(options.chosen_store(args).path), text)


def _answers(sources: tuple[Source, Source], rows: Path, features: set[str]) -> Answers:
    from gradus_convert.comparison.feature_rows import read_feature_rows
    from gradus_convert.comparison.versions import compare_answers
    from gradus_runtime import Predictor
    from gradus_runtime.contracts.manifest.rules import MAX_AGE_DAYS

    table = read_feature_rows(rows, features)
    predictions = []
    for source, version in sources:
        with Predictor.open(source, version, max_age_days=MAX_AGE_DAYS, drift=False) as bot:
            predictions.append(bot.predict(table.features, names=table.names, ordered=table.names is None))
    return compare_answers(*predictions)


def _encode(value: Difference | Answers | None) -> object:
    from gradus_runtime.contracts import codec

    return codec.encode(value)


def _print(found: Sequence[Difference], answers: Answers | None) -> None:
    section = None
    for d in found:
        if d.section != section:
            section = d.section
            print(section)
        if d.before is None or d.after is None:
            print(f"  {d.place}: {'added' if d.before is None else 'removed'}, {d.after or d.before}")
        else:
            print(f"  {d.place}: {d.before} -> {d.after}")
    if not found:
        print("no difference")
    if answers is None:
        return
    share = 100 * answers.changed / answers.rows if answers.rows else 0.0
    print(f"decisions differ on {answers.changed} of {counted(answers.rows, 'row')} ({share:.2f} %)")
    for move, count in answers.moves.items():
        print(f"  {move}: {count}")
    print(f"levels differ on {counted(answers.levels_changed, 'row')}")
    print(
        f"confidences move by {answers.mean_move:.4g} on average, {answers.largest_move:.4g} at most; "
        f"the mean changes by {answers.mean_change:+.4g}"
    )


COMMAND = Command(
    "diff",
    "show what changes from one version to another, and on which decisions",
    "gradus diff 2026.11.14 2026.11.21 --rows rows.csv --store artifacts/btc-jpy",
    _configure,
    _run,
)
