"""What each kind of policy would have done on a market: calls, trades, money.

    python -m benchmarks.policies RUN VERSION --candles btc_jpy_15m.csv --daily macro_daily.csv

RUN is a finished run of these files without a last fit (`[last_fit] on = false`), VERSION the artifact that
was converted from it: out-of-fold rows are read from the run, those of the holdout are answered by the
artifact.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from gradus_live.costs import Costs, load_costs
from gradus_runtime import Predictor
from gradus_train.commands.inputs import add_input_arguments, read_plan
from gradus_train.evaluation.evidence import Evidence, Said, evidence_of, served
from gradus_train.evaluation.payoffs import payoffs_by_fold
from gradus_train.evaluation.policy import choose_policy
from gradus_train.evaluation.policy_report import PolicyLine
from gradus_train.sections import PolicySettings
from gradus_train.training.prepare import Plan
from gradus_train.training.progress import Silent

__all__ = ["main"]

_POINT = 1e4


def main() -> int:
    """Print a line for each kind, threshold and share, with the costs of the market and without any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("version", type=Path)
    parser.add_argument("--costs", type=Path, default=Path("config/costs.toml"))
    add_input_arguments(parser)
    args = parser.parse_args()
    plan = read_plan(args, Silent())
    evidence, costs = _evidence(plan, args.run, args.version), load_costs(args.costs)
    free = replace(costs, maker_fee=0.0, taker_fee=0.0, spread=0.0, slippage=0.0, funding_per_day=0.0)
    print(f"{len(evidence.labels):,} rows, {int(evidence.held.sum()):,} of them of the holdout")
    for each in (costs, free):
        _print(plan, evidence, each)
    return 0


def _evidence(plan: Plan, run: Path, version: Path) -> Evidence:
    """Put together what the levels said, as they are served."""
    data, line = plan.dataset, plan.timeline
    order = json.loads((run / "training_metadata.json").read_text())["run"]["found"]["order_of_service"]
    said = {}
    with (
        np.load(run / "oof.npz") as out,
        np.load(run / "holdout.npz") as held,
        Predictor.open(version) as bot,
    ):
        if not np.array_equal(out["timestamps"], data.timestamps[line.development]):
            raise SystemExit("the run is not of these files")
        for level in plan.levels:
            probabilities = np.full((len(data.labels), len(data.classes)), np.nan)
            probabilities[line.development] = out[level.name]
            table = bot.predict(held["features"], ordered=True, level=level.name, use_confidence=False)
            able = table.levels == level.name
            probabilities[line.holdout[able]] = table.probabilities[able]
            said[level.name] = Said(probabilities, np.full_like(probabilities, 1 / len(data.classes)))
    return evidence_of(plan, served([said[name] for name in (*order["levels"], *order["others"])]))


def _print(plan: Plan, evidence: Evidence, costs: Costs) -> None:
    payoffs = payoffs_by_fold(plan, costs)
    for kind in ("argmax", "thresholds", "expected_value"):
        for threshold in ("level",) if kind == "argmax" else ("level", "trailing"):
            settings = PolicySettings(kind, threshold)
            report, _, _ = choose_policy(evidence, costs, settings, payoffs)
            name = kind if kind == "argmax" else f"{kind}, {threshold}"
            print(f"{name} at {costs.per_side:g} basis points a side: {report.kind} {report.why or ''}")
            for line in report.tried or ([report.argmax] if report.argmax else []):
                print(f"    {_text(line)}")


def _text(line: PolicyLine) -> str:
    share = "most probable class" if line.share is None else f"share {line.share:g}"
    out, held = line.out_of_fold, line.holdout
    low = "" if line.low is None else f", at least {line.low * _POINT:+.1f}"
    carry = "" if line.carry is None else f" ({line.carry:.2f} of that)"
    return (
        f"{share}: {out.trades:,} trades out of fold, net {out.net * _POINT:+.1f}{low}; calls on the holdout "
        f"{100 * line.holdout_share:.2g} % where {100 * line.expected:.2g} % were expected{carry}, "
        f"{held.trades:,} trades, net {held.net * _POINT:+.1f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
