"""The command `gradus compact`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command

if TYPE_CHECKING:
    from gradus_convert.compaction.measure import Cost
    from gradus_convert.compaction.rewrite import Compaction

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an ONNX file with tree operators, made by any tool")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="where to write the result")
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    parser.add_argument("--no-measure", action="store_true", help="do not measure both in fresh processes")


def _run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from gradus_convert.compaction.measure import measure
    from gradus_convert.compaction.rewrite import compact, load
    from gradus_runtime.errors import UsageError
    from gradus_runtime.store.whole_file import write_whole

    source, target = Path(args.model), Path(args.output)
    data = load(source)
    if target.exists() and (not args.force or target.samefile(source)):
        raise UsageError(
            "the output must not exist, or --force be given, and it must not be the input", place=str(target)
        )
    result = compact(data, place=str(source))
    write_whole(target, result.model_bytes)
    costs = [] if args.no_measure else measure([source, target])
    _print(args, result, costs, (len(data), len(result.model_bytes)))
    return 0


def _print(args: argparse.Namespace, result: Compaction, costs: list[Cost], sizes: tuple[int, int]) -> None:
    import dataclasses
    import json

    agreement = result.agreement
    if args.json:
        value = {
            "output": args.output,
            "operators": result.operators,
            "trees": result.trees,
            "nodes": result.nodes,
            "file_bytes": {"before": sizes[0], "after": sizes[1]},
            "probes": dataclasses.asdict(agreement),
            "cost": dict(zip(("before", "after"), map(dataclasses.asdict, costs), strict=False)),
        }
        print(json.dumps(value))
        return
    print(f"{args.output}: {result.operators} operator(s), {result.trees} trees, {result.nodes} nodes")
    print(
        f"outputs agree on {agreement.rows} probes, largest difference {agreement.largest_difference:.1e},"
        f" {agreement.ties} tie(s)"
    )
    print(f"{'':14}{'before':>12}{'after':>12}")
    print(_row("file", "MB", [s / 1e6 for s in sizes]))
    if costs:
        print(_row("peak memory", "MB", [c.peak_bytes / 1e6 for c in costs]))
        print(_row("load", "ms", [c.load_seconds * 1e3 for c in costs]))
        rows = [c.row_seconds for c in costs if c.row_seconds is not None]
        if len(rows) == len(costs):
            print(_row("one row", "us", [r * 1e6 for r in rows]))


def _row(name: str, unit: str, pair: list[float]) -> str:
    before, after = pair
    return f"{name:<14}{before:>9.1f} {unit}{after:>9.1f} {unit}   x {after / before:.2f}"


COMMAND = Command(
    name="compact",
    summary="rewrite the tree operators of any ONNX file into less memory, load time and size",
    example="gradus compact model.onnx -o small.onnx",
    configure=_configure,
    run=_run,
)
