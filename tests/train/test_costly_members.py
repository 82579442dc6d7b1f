"""Members that are worse than the class priors out of fold are named, with the way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.training import ORDER, make_dataset, quick_config

from gradus_train.evaluation.gates import evaluate, parse, passed
from gradus_train.evaluation.members import costly_members
from gradus_train.run.run import train
from gradus_train.training.assemble import LevelResult, assemble
from gradus_train.training.execute import execute
from gradus_train.training.parts import PartStore
from gradus_train.training.pools import Threads
from gradus_train.training.prepare import Plan, prepare
from gradus_train.training.progress import Silent

stats = pytest.importorskip("scipy.stats")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, list[LevelResult]]:
    plan = prepare(make_dataset(6_000), ORDER, quick_config(), ["level2"])
    store = PartStore(tmp_path_factory.mktemp("parts"))
    with Threads(1) as pool:
        done = execute(plan, store, pool=pool, progress=Silent())
    return plan, [assemble(plan, level, done) for level in plan.levels]


def spoilt(result: LevelResult, name: str) -> LevelResult:
    """The same level, where a member says the opposite of what it should."""
    folds = []
    for fold in result.folds:
        said = {**fold.members, name: fold.members[name][:, ::-1]}
        weights = result.weights
        vote = sum(weights[n] * said[n] for n in said) / sum(weights.values())
        folds.append(replace(fold, members=said, vote=vote))
    return replace(result, folds=tuple(folds))


def test_good_members_cost_nothing(trained: tuple[Plan, list[LevelResult]]) -> None:
    assert costly_members(*trained) == ()
    gates = parse({"format": "gradus-gates/2", "gates": [{"test": "members"}]}, place="g")
    (line,) = evaluate(gates, [], "none", costly=())
    assert (line.holds, line.kind) == (True, "integrity")


def test_a_member_that_is_worse_than_the_priors_is_named_with_the_way_out(
    trained: tuple[Plan, list[LevelResult]],
) -> None:
    plan, (result,) = trained
    bad = spoilt(result, "random_forest")
    (cost,) = costly_members(plan, [bad])
    assert (cost.level, cost.member) == ("level2", "random_forest")
    labels = plan.dataset.labels
    losses, priors, stamps = [], [], []
    for fold in bad.folds:
        shares = np.bincount(labels[fold.train_rows], minlength=3) / len(fold.train_rows)
        losses += [
            -np.log(p[y]) for p, y in zip(fold.members["random_forest"], labels[fold.test_rows], strict=True)
        ]
        priors += [-np.log(shares[y]) for y in labels[fold.test_rows]]
        stamps += plan.dataset.timestamps[fold.test_rows].tolist()
    gap = np.array(losses) - np.array(priors)
    assert cost.loss == pytest.approx(gap.mean())
    blocks = np.array(stamps) // (480 * 900_000)
    sums = [float((gap[blocks == b] - gap.mean()).sum()) for b in sorted(set(blocks.tolist()))]
    error = np.sqrt(sum(s * s for s in sums) * len(sums) / (len(sums) - 1)) / len(gap)
    assert cost.p == pytest.approx(float(stats.t.sf(gap.mean() / error, len(sums) - 1)), rel=1e-6)
    assert cost.without is not None
    assert cost.without < 0
    assert "Leave it out: --drop-member random_forest" in cost.sentence


def test_the_gate_of_members_fails_a_run_or_warns_as_it_is_asked(
    trained: tuple[Plan, list[LevelResult]],
) -> None:
    plan, (result,) = trained
    costly = costly_members(plan, [spoilt(result, "lightgbm")])
    for kind in ("integrity", "value"):
        gates = parse({"format": "gradus-gates/2", "gates": [{"test": "members", "kind": kind}]}, place="g")
        (line,) = evaluate(gates, [], "none", costly=costly)
        assert (line.level, line.rule, line.holds) == ("level2", "members", False)
        assert "lightgbm is worse than the class priors" in line.text
        assert passed([line]) == (kind == "value")


def test_a_run_says_what_its_members_cost(tmp_path: Path) -> None:
    gates = parse({"format": "gradus-gates/2", "gates": [{"test": "members", "kind": "value"}]}, place="g")
    plan = prepare(make_dataset(), ORDER, quick_config(("random_forest",)), ["level3"])
    outcome = train(plan, tmp_path / "run", jobs=1, gates=gates)
    assert outcome.details.gates[0].rule == "members"
