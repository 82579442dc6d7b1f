"""What training found, in the form that conversion copies into the manifest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradus_live.costs import Costs
from gradus_live.labels import to_contract
from gradus_runtime.candles.reading import iso_time
from gradus_runtime.contracts import codec
from gradus_runtime.contracts import manifest as contract
from gradus_runtime.contracts.run_folder import Findings
from gradus_train.evaluation.details import GateLine
from gradus_train.evaluation.drift import drift_levels
from gradus_train.evaluation.evidence import Integers
from gradus_train.evaluation.service import ServiceOrder
from gradus_train.evaluation.verdict import ReachedVerdict
from gradus_train.training.prepare import Plan

__all__ = ["findings", "span_of"]


def findings(
    plan: Plan,
    *,
    costs: Costs | None,
    service: ServiceOrder,
    gates: Sequence[GateLine] | None,
    verdict: ReachedVerdict,
    policy: contract.Policy | None,
    temperatures: Sequence[contract.LevelCalibration],
    measured: Integers,
    shipped: Integers,
) -> Findings:
    """Put together what the manifest says of a run.

    Args:
        plan: The run.
        costs: What a trade costs, if it was given.
        service: The order of service.
        gates: What gates said; None where they were not asked.
        verdict: Of what is served.
        policy: Other than the most probable class.
        temperatures: Of the levels that have one.
        measured: int64 [N], stamps of the rows that figures are of.
        shipped: int64 [M], stamps of the rows that the final models were fitted on.
    """
    return Findings(
        label=to_contract(plan.dataset.rule),
        costs=None
        if costs is None
        else codec.decode(contract.StatedCosts, codec.encode(costs), place="costs"),
        order_of_service=contract.OrderOfService(
            service.kind,
            service.levels,
            service.others,
            tuple(contract.LevelProof(p.level, p.against, p.in_service, p.sentence) for p in service.proofs),
        ),
        gates=None
        if gates is None
        else tuple(contract.GateResult(g.level, g.rule, g.kind, g.holds, g.text) for g in gates),
        verdict=contract.Verdict(verdict.name, verdict.sentences),
        measured=span_of(measured),
        shipped=span_of(shipped),
        drift=drift_levels(plan),
        policy=policy,
        calibration=tuple(temperatures) or None,
    )


def span_of(stamps: Integers) -> contract.RowSpan:
    """Say how many rows, and from when to when."""
    return contract.RowSpan(len(stamps), iso_time(np.min(stamps)), iso_time(np.max(stamps)))
