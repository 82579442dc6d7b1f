"""The command `gradus compile`, and `gradus compact`, its older name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command
from gradus_runtime.wording import counted, plural

if TYPE_CHECKING:
    from gradus_convert.compilation.comparing import Comparison
    from gradus_convert.compilation.model import CompiledModel

__all__ = ["COMMAND", "OLD_COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_convert.readers.formats import known_files

    parser.add_argument("model", metavar="MODEL", help=f"{known_files()}, or a pickle")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="where to write the ONNX file")
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    parser.add_argument(
        "--encoding",
        choices=("compact", "treeops", "treeops5", "auto"),
        default="auto",
        help="encoding of the trees (default: auto, by their number and by what is measured)",
    )
    parser.add_argument(
        "--proof",
        choices=("full", "quick", "off"),
        default="full",
        help="full: every threshold and its two float32 neighbours; quick: some rows (default: full)",
    )
    parser.add_argument(
        "--inputs",
        choices=("float32", "float64"),
        default="float32",
        help="float64: exact on rows with values that float32 cannot hold, at some cost (default: float32)",
    )
    parser.add_argument("--no-measure", action="store_true", help="do not measure both in fresh processes")


def _run(args: argparse.Namespace) -> int:
    from gradus_convert.compilation.comparing import compare_measured
    from gradus_convert.compilation.door import compile_model
    from gradus_convert.readers.formats import format_of
    from gradus_runtime.errors import UsageError

    source, target = Path(args.model), Path(args.output)
    kind = format_of(source)
    if target.exists() and (not args.force or target.samefile(source)):
        raise UsageError(
            "the output must not exist (--force overwrites it), and it must not be the input",
            place=str(target),
        )
    compiled = compile_model(source, proof=args.proof, encoding=args.encoding, inputs=args.inputs)
    compiled.save(target)
    compared = None
    if not args.no_measure:
        keep = kind == "onnx" and args.encoding == "auto"
        compared = compare_measured(source, kind, compiled, target, may_keep_original=keep)
    _print(args, compiled, compared, (source.stat().st_size, target.stat().st_size))
    return 0


def _print(
    args: argparse.Namespace,
    compiled: CompiledModel,
    compared: Comparison | None,
    sizes: tuple[int, int],
) -> None:
    import dataclasses
    import json

    proof = None if compiled.proof is None else dataclasses.asdict(compiled.proof)
    operators = getattr(compiled, "operators", None)
    if args.json:
        value = {
            "output": args.output,
            "source": compiled.facts.source,
            "encoding": compiled.encoding if compared is None else compared.encoding,
            "bits": compiled.bits,
            "operators": operators,
            "trees": compiled.facts.trees,
            "nodes": compiled.facts.nodes,
            "file_bytes": {"before": sizes[0], "after": sizes[1]},
            "proof" if operators is None else "probes": proof,
            "cost": {} if compared is None else compared.costs(),
            "verdict": None if compared is None else compared.verdict,
        }
        print(json.dumps(value))
        return
    print(_headline(args.output, compiled, operators))
    if proof is not None:
        print(_proof_line(proof))
    if compared is None:
        print(f"{'':14}{'before':>12}{'after':>12}")
        print(_file_row(sizes))
        return
    print(f"{'':14}{compared.before_name:>12}{compared.encoding:>12}")
    print(_file_row(sizes))
    for name, unit, scale, field in _FIELDS:
        pair = [getattr(c, field) for c in (compared.before, compared.after) if c is not None]
        if len(pair) == 2 and None not in pair:
            print(_row(name, unit, [p * scale for p in pair]))
    print(compared.verdict)


_FIELDS = (
    ("peak memory", "MB", 1e-6, "peak_bytes"),
    ("first answer", "ms", 1e3, "start_seconds"),
    ("load", "ms", 1e3, "load_seconds"),
    ("one row", "us", 1e6, "row_seconds"),
    ("row in 1,000", "us", 1e6, "batch_seconds"),
)


def _headline(output: str, compiled: CompiledModel, operators: int | None) -> str:
    facts = compiled.facts
    what = facts.source if operators is None else f"{counted(operators, 'operator')}"
    trees = f"{counted(facts.trees, 'tree')}, {counted(facts.nodes, 'node')}"
    return f"{output}: {what}, {trees}"


def _proof_line(proof: dict[str, float]) -> str:
    if "leaf_checks" in proof:
        differ = plural(proof["leaf_checks"], "leaf differs", "leaves differ")
        return (
            f"{proof['wrong_leaves']} of {proof['leaf_checks']:,} {differ} from the library's, "
            f"largest difference of an answer {proof['max_difference']:.1e}"
        )
    probes, ties = counted(int(proof["rows"]), "probe"), counted(int(proof["ties"]), "tie")
    return f"outputs agree on {probes}, largest difference {proof['largest_difference']:.1e}, {ties}"


def _file_row(sizes: tuple[int, int]) -> str:
    unit, scale = ("MB", 1e-6) if min(sizes) >= 100_000 else ("kB", 1e-3)
    return _row("file", unit, [size * scale for size in sizes])


def _row(name: str, unit: str, pair: list[float]) -> str:
    from gradus_convert.compilation.comparing import shown_ratio

    before, after = pair
    return f"{name:<14}{before:>9.1f} {unit}{after:>9.1f} {unit}   x {shown_ratio(after / before)}"


COMMAND = Command(
    name="compile",
    summary="compile any tree model to a small, exact ONNX file, and report what it saves",
    example="gradus compile model.txt -o small.onnx",
    configure=_configure,
    run=_run,
)
OLD_COMMAND = Command(
    name="compact",
    summary="the older name of compile",
    example="gradus compact model.onnx -o small.onnx",
    configure=_configure,
    run=_run,
)
