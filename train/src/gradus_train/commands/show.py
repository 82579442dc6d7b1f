"""What `gradus train` prints when it is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import codec
from gradus_train.evaluation.details import LevelDetails
from gradus_train.training.run import Outcome

__all__ = ["print_outcome"]

_COLUMNS = ("accuracy", "f1_weighted", "f1_macro", "log_loss", "brier", "ece")


def print_outcome(outcome: Outcome, out: Path, *, as_json: bool) -> None:
    """Print holdout figures, gates and the place of the run folder."""
    if as_json:
        print(json.dumps(_value(outcome, out), indent=2))
        return
    split = outcome.details.split
    print(
        f"\nHoldout, unseen in training: {split.holdout_rows} rows, {split.holdout_start} to"
        f" {split.holdout_end}"
    )
    print(f"{'':<26}" + "".join(f"{name:>13}" for name in _COLUMNS))
    for level in outcome.details.levels:
        print("\n".join(_table(level)))
    for line in outcome.details.gates:
        mark = {True: "passed", False: "FAILED", None: "skipped"}[line.holds]
        print(f"gate {mark}: {line.text}")
    print(f"Run folder: {out}")


def _table(level: LevelDetails) -> list[str]:
    board = level.holdout
    rows = [(level.name, board.ensemble)]
    rows += [(f"  {name}", s) for name, s in board.members.items()]
    rows += [(f"  baseline {name}", s) for name, s in board.baselines.items()]
    return [f"{name:<26}" + "".join(f"{getattr(s, c):>13.4f}" for c in _COLUMNS) for name, s in rows]


def _value(outcome: Outcome, out: Path) -> dict[str, Any]:
    return {
        "run": str(out),
        "gate_passed": outcome.run.gate_passed,
        "gates": [codec.encode(line) for line in outcome.details.gates],
        "levels": {level.name: dict(level.metrics) for level in outcome.run.levels},
        "rows": outcome.run.provenance.rows,
        "holdout_rows": outcome.run.holdout_rows,
        "seed": outcome.run.provenance.seed,
    }
