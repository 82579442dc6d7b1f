"""All that is measured of a trained run: scores, order of service, gates, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradus_live.costs import Costs
from gradus_runtime.contracts.manifest import LevelCalibration
from gradus_runtime.contracts.run_folder import Findings
from gradus_train.evaluation import gates as gating
from gradus_train.evaluation.details import Details, GateLine
from gradus_train.evaluation.equity import equity_of
from gradus_train.evaluation.evidence import evidence_of, served, what_was_said
from gradus_train.evaluation.findings import findings
from gradus_train.evaluation.gates import Gate
from gradus_train.evaluation.members import costly_members
from gradus_train.evaluation.payoffs import payoffs_by_fold
from gradus_train.evaluation.pinned import Pinned, compare_with_pinned
from gradus_train.evaluation.policy import choose_policy
from gradus_train.evaluation.scoreboard import level_details
from gradus_train.evaluation.service import declared_order, measured_order
from gradus_train.evaluation.skill import skills_of
from gradus_train.evaluation.stepdown import outage_drills, step_down
from gradus_train.evaluation.summary import summarise_data, summarise_split
from gradus_train.evaluation.suspicion import suspicions
from gradus_train.evaluation.value import prior_test
from gradus_train.evaluation.verdict import judge
from gradus_train.training.assemble import LevelResult
from gradus_train.training.prepare import Plan

__all__ = ["Measured", "measure"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, for people (`details`) and for the manifest (`found`).

    `gate_passed` is None where gates were not asked.
    """

    details: Details
    found: Findings
    gate_passed: bool | None


def measure(
    plan: Plan,
    results: Sequence[LevelResult],
    *,
    gates: Sequence[Gate] | None,
    pinned: Pinned | str,
    costs: Costs | None,
) -> Measured:
    """Measure the levels of a run on rows that no model behind a figure was fitted on.

    Args:
        plan: The run.
        results: Its levels, in the order of the feature order.
        gates: Rules to hold the levels against; None to look without.
        pinned: The version that the gates compare with; or why there is none, as the end of a sentence.
        costs: What a trade costs; None where it was not given.
    """
    below = [*results[1:], None]
    levels = tuple(level_details(plan, r, b) for r, b in zip(results, below, strict=True))
    said = {r.plan.name: what_was_said(plan, r) for r in results}
    service = measured_order(plan, said)
    if plan.config.service.order == "declared":
        service = declared_order(service, list(said))
    evidence = evidence_of(plan, served([said[name] for name in (*service.levels, *service.others)]))
    report, policy, calls = choose_policy(evidence, costs, plan.config.policy, payoffs_by_fold(plan, costs))
    verdict = judge(evidence, costs, report)
    lines: tuple[GateLine, ...] = ()
    comparison = None
    if gates is not None:
        if isinstance(pinned, Pinned):
            comparison = compare_with_pinned(pinned, plan, results, costs)
        words = _suspicions(plan)
        lines = gating.evaluate(
            gates,
            levels,
            comparison.lines if comparison is not None else str(pinned),
            worse=prior_test(evidence),
            suspicions=words,
            costly=costly_members(plan, results),
        )
        lines += gating.value_lines(verdict)
    details = Details(
        verdict=verdict,
        service=service,
        data=summarise_data(plan),
        split=summarise_split(plan),
        levels=levels,
        step_down=step_down(plan, results),
        drills=outage_drills(plan, results),
        gates=lines,
        policy=report,
        pinned=comparison,
        equity=equity_of(evidence, costs, calls),
        skills=skills_of(evidence),
    )
    fitted = np.unique(np.concatenate([r.shipped_rows for r in results]))
    found = findings(
        plan,
        costs=costs,
        service=service,
        gates=None if gates is None else lines,
        verdict=verdict,
        policy=policy,
        temperatures=[
            LevelCalibration(r.plan.name, r.temperature, d.calibration or "")
            for r, d in zip(results, levels, strict=True)
            if r.temperature is not None
        ],
        measured=evidence.timestamps,
        shipped=plan.dataset.timestamps[fitted],
    )
    return Measured(details, found, None if gates is None else gating.passed(lines))


def _suspicions(plan: Plan) -> list[str] | None:
    found = suspicions(plan.dataset)
    return None if found is None else [s.sentence for s in found]
