"""What a compiled file costs beside what the user had, and which of the two to keep."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_convert.compilation.measure import Cost, measure
from gradus_convert.compilation.measure_session import OPENERS
from gradus_convert.compilation.model import CompiledModel
from gradus_convert.readers.formats import PICKLE
from gradus_runtime.store.whole_file import write_whole

__all__ = ["Comparison", "compare_measured", "keeps_original", "shown_ratio"]

SLOWER = 1.2
"""A row may take so many times as long before the original is better."""

TREE_OPERATOR_BYTES = 450
"""Of memory, a node, that tree operators take more than the walk (docs/decisions/0005)."""

WORTH = 10_000_000
"""Bytes of memory that make up for slower rows."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both, measured.

    Attributes:
        before: What the user had; None where it cannot be measured without running a pickle.
        before_name: What opens it.
        after: What was written.
        encoding: Of what was written; "original" where that was better.
        verdict: One line.
    """

    before: Cost | None
    before_name: str
    after: Cost
    encoding: str
    verdict: str

    def costs(self) -> dict[str, Any]:
        """Return the figures as a JSON value."""
        before = {} if self.before is None else {"before": dataclasses.asdict(self.before)}
        return before | {"after": dataclasses.asdict(self.after)}


def compare_measured(
    source: Path, kind: str, compiled: CompiledModel, target: Path, *, may_keep_original: bool
) -> Comparison:
    """Measure source and target in fresh processes; write the original to the target where it is better.

    Args:
        source: The user's file.
        kind: What it is, as `format_of` says.
        compiled: What was compiled from it, already at the target.
        target: The written file.
        may_keep_original: Whether the target may become a copy of an ONNX source.

    Raises:
        EnvironmentFailedError: A process failed, or the disk.
    """
    opened = "compact" if compiled.encoding == "compact" else "onnx"
    if kind not in OPENERS:
        (after,) = measure([(opened, target)])
        why = "it is never run" if kind == PICKLE else "nothing opens it in a process of its own"
        verdict = f"what a {kind} file costs is not measured: {why}"
        return Comparison(None, kind, after, compiled.encoding, verdict)
    before, after = measure([(kind, source), (opened, target)])
    if may_keep_original and keeps_original(before, after):
        write_whole(target, source.read_bytes())
        verdict = f"the original is kept, as it serves better: {_ratios(before, after)} when rewritten"
        return Comparison(before, kind, before, "original", verdict)
    verdict = f"{_word(before, after)}: {_ratios(before, after)}{_choice(kind, compiled)}"
    return Comparison(before, kind, after, compiled.encoding, verdict)


def _choice(kind: str, compiled: CompiledModel) -> str:
    """Which operators were taken, where there was a choice."""
    if kind == "onnx" or compiled.encoding != "treeops":
        return ""
    taken = "; by tree operators, which answer one row fastest"
    saved = compiled.facts.nodes * TREE_OPERATOR_BYTES / 1e6
    return taken if saved < 0.1 else f"{taken} (--encoding compact: {saved:.1f} MB less)"


def keeps_original(before: Cost, after: Cost) -> bool:
    """Whether what a rewritten file saves does not make up for its slower rows."""
    if before.row_seconds is None or after.row_seconds is None:
        return False
    return after.row_seconds > SLOWER * before.row_seconds and before.peak_bytes - after.peak_bytes < WORTH


def _word(before: Cost, after: Cost) -> str:
    pairs = _pairs(before, after)
    if all(b <= a * 1.02 for _, a, b in pairs):
        return "better"
    return "worse" if all(b >= a * 0.98 for _, a, b in pairs) else "better in parts"


def _pairs(before: Cost, after: Cost) -> list[tuple[str, float, float]]:
    named = (
        ("memory", before.peak_bytes, after.peak_bytes),
        ("first answer", before.start_seconds, after.start_seconds),
        ("one row", before.row_seconds, after.row_seconds),
        ("a row in 1,000", before.batch_seconds, after.batch_seconds),
    )
    return [(name, float(a), float(b)) for name, a, b in named if a and b]


def shown_ratio(ratio: float) -> str:
    """A ratio with two decimals, and a small one with its first digit: a gain of 1,000 times is no x 0.00."""
    return f"{ratio:.2f}" if ratio >= 0.01 else f"{ratio:.1g}"


def _ratios(before: Cost, after: Cost) -> str:
    return ", ".join(f"{name} x {shown_ratio(b / a)}" for name, a, b in _pairs(before, after))
