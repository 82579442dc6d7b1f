"""What `gradus train` prints when it is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gradus_live.costs import NO_COSTS
from gradus_runtime.cli.output import print_wrapped
from gradus_runtime.contracts import codec
from gradus_runtime.wording import counted
from gradus_train.evaluation.details import Details, LevelDetails
from gradus_train.evaluation.summary import summarise_split
from gradus_train.run.forecast import Forecast
from gradus_train.run.run import Outcome
from gradus_train.training.prepare import Plan

__all__ = ["print_forecast", "print_outcome", "verdict_lines"]

_COLUMNS = ("accuracy", "f1_weighted", "f1_macro", "log_loss", "brier", "ece")


def print_outcome(outcome: Outcome, out: Path, *, as_json: bool) -> None:
    """Print holdout figures, gates and the place of the run folder."""
    if as_json:
        print(json.dumps(_value(outcome, out), indent=2))
        return
    split = outcome.details.split
    print(
        f"\nHoldout, unseen in training: {counted(split.holdout_rows, 'row')}, {split.holdout_start} to"
        f" {split.holdout_end}"
    )
    print(f"{'':<26}" + "".join(f"{name:>13}" for name in _COLUMNS))
    for level in outcome.details.levels:
        print("\n".join(_table(level)))
    print()
    for line in outcome.details.gates:
        integrity = line.kind == "integrity"
        words = ("passed", "FAILED") if integrity else ("passed", "not passed")
        mark = "skipped" if line.holds is None else words[0] if line.holds else words[1]
        print_wrapped("", f"{'gate' if integrity else 'value gate'} {mark}: {line.text}", indent=2)
    print()
    for text in verdict_lines(outcome.details):
        print_wrapped("", text, indent=2)
    print(f"Run folder: {out}")


def verdict_lines(details: Details) -> list[str]:
    """Say the verdict, the order of service, and what is missing for a verdict of money."""
    verdict, service = details.verdict, details.service
    lines = [f"Verdict: {verdict.name}", *verdict.sentences]
    if verdict.no_money == "no costs given":
        lines.append(NO_COSTS)
    lines += [f"Level {proof.sentence}." for proof in service.proofs]
    lines += [f"Level {level.calibration}." for level in details.levels if level.calibration]
    first = " > ".join(service.levels) or "nothing"
    rest = f"; only where no other level can: {', '.join(service.others)}" if service.others else ""
    if details.policy is not None:
        lines.append(f"Policy {details.policy.kind}: {details.policy.sentence}.")
    lines.append(f"In service ({service.kind}): {first}{rest}")
    return lines


def print_forecast(plan: Plan, expected: Forecast, jobs: int, *, as_json: bool) -> None:
    """Print what a run would do and take."""
    split = summarise_split(plan)
    if as_json:
        value = {
            "levels": {p.name: len(p.tasks[-1].train) for p in plan.levels},
            "parts": len(plan.tasks),
            "split": codec.encode(split),
            "expected": codec.encode(expected),
        }
        print(json.dumps(value, indent=2))
        return
    data = plan.dataset
    print(f"Data: {counted(len(data.labels), 'bar')}, {data.data_start} to {data.data_end}")
    print(f"Holdout: {counted(split.holdout_rows, 'row')}, {split.holdout_start} to {split.holdout_end}")
    for number, fold in enumerate(split.folds, start=1):
        print(f"Fold {number}: train to {fold.train_end}, test {fold.test_start} to {fold.test_end}")
    for level in plan.levels:
        features, rows = len(level.features), len(level.tasks[-1].train)
        left = "".join(f"; fold {n} left out: {why}" for n, why in level.skipped.items())
        print(f"{level.name}: {counted(features, 'feature')}, {counted(rows, 'training row')}{left}")
    print(
        f"{counted(len(plan.tasks), 'part')} to train, {jobs} at a time: "
        f"at most about {expected.seconds:.0f} s"
    )
    need = expected.model_bytes + expected.table_bytes
    print(f"Disk: about {need / 2**20:.0f} MiB of {expected.free_bytes / 2**20:.0f} MiB free")


def _table(level: LevelDetails) -> list[str]:
    board = level.holdout
    rows = [(level.name, board.ensemble)]
    rows += [(f"  {name}", s) for name, s in board.members.items()]
    rows += [(f"  baseline {name}", s) for name, s in board.baselines.items()]
    return [f"{name:<26}" + "".join(f"{getattr(s, c):>13.4f}" for c in _COLUMNS) for name, s in rows]


def _value(outcome: Outcome, out: Path) -> dict[str, Any]:
    return {
        "run": str(out),
        "verdict": codec.encode(outcome.details.verdict),
        "policy": codec.encode(outcome.details.policy),
        "order_of_service": codec.encode(outcome.details.service),
        "gate_passed": outcome.run.gate_passed,
        "gates": [codec.encode(line) for line in outcome.details.gates],
        "levels": {level.name: dict(level.metrics) for level in outcome.run.levels},
        "rows": outcome.run.provenance.rows,
        "holdout_rows": outcome.run.holdout_rows,
        "seed": outcome.run.provenance.seed,
    }
