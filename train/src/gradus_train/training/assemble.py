"""From trained parts to what each level says of the rows that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradus_runtime.contracts.manifest.calibration import at_temperature
from gradus_train.training.calibration import Calibration, choose_temperature
from gradus_train.training.execute import Executed
from gradus_train.training.fitting import FittedPart
from gradus_train.training.member import Probabilities, RowNumbers
from gradus_train.training.prepare import LAST, UP_TO, Plan, TrainingLevel
from gradus_train.training.vote import combine, optimal_weights

__all__ = ["FoldVote", "LevelResult", "assemble"]


@dataclass(frozen=True, slots=True)
class FoldVote:
    """A walk-forward fold: which rows, what the members and their vote said of them.

    Number 0 is no fold: fitted on the rows up to a moment, and asked of those after it.
    """

    number: int
    train_rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    test_rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    members: Mapping[str, Probabilities]
    vote: Probabilities


@dataclass(frozen=True, slots=True)
class LevelResult:
    """A trained level.

    Attributes:
        plan: What was planned.
        final: The final part of each member: fitted before the holdout, and measured on it.
        shipped: The parts that are shipped: fitted on all rows, or else the final ones.
        shipped_rows: int64, the rows that those were fitted on.
        weights: Of the members, as configured or fitted.
        folds: Walk-forward folds that were trained.
        holdout: What the members say of the level's holdout rows.
        holdout_vote: And their vote.
        up_to: What models say that are fitted on the rows up to a moment; None where nobody asked.
        calibration: What a temperature does; None where nobody asked, or there are too few folds.
        holdout_before: The holdout's vote without a temperature.
    """

    plan: TrainingLevel
    final: Mapping[str, FittedPart]
    shipped: Mapping[str, FittedPart]
    shipped_rows: RowNumbers
    weights: Mapping[str, float]
    folds: tuple[FoldVote, ...]
    holdout: Mapping[str, Probabilities]
    holdout_vote: Probabilities
    up_to: FoldVote | None = None
    calibration: Calibration | None = None
    holdout_before: Probabilities | None = None

    @property
    def temperature(self) -> float | None:
        """Of the level; None where it has none."""
        known = self.calibration is not None and self.calibration.kept
        return self.calibration.temperature if known and self.calibration is not None else None


def assemble(plan: Plan, level: TrainingLevel, executed: Executed) -> LevelResult:
    """Put the parts of a level together.

    With `weights = "optimise"` the final weights are fitted to the out-of-fold probabilities of all folds.
    The vote of a fold uses weights fitted to the folds before it (the first: the configured ones), so that no
    fold is measured with weights that have seen it.
    """
    config = plan.config
    names = [m.name for m in config.members]
    fixed = tuple(m.weight for m in config.members)
    fit_weights = config.vote.weights == "optimise" and config.vote.kind == "soft"
    parts: dict[str, dict[str, FittedPart]] = {}
    for task in level.tasks:
        parts.setdefault(task.key.fold, {})[task.key.member] = executed.parts[task.key]
    rows = {t.key.fold: (t.train, t.measure) for t in level.tasks}

    folds: list[FoldVote] = []
    for fold in [f for f in parts if f not in ("final", LAST, UP_TO)]:
        weights = _fitted(plan, folds, names) if fit_weights and folds else fixed
        said = {name: parts[fold][name].probabilities for name in names}
        vote = combine([said[n] for n in names], weights, config.vote.kind)
        folds.append(FoldVote(int(fold.removeprefix("fold")), rows[fold][0], rows[fold][1], said, vote))
    up_to = None
    if UP_TO in parts:
        said = {name: parts[UP_TO][name].probabilities for name in names}
        seen = [f for f in folds if f.test_rows[-1] < rows[UP_TO][1][0]]
        weights = _fitted(plan, seen, names) if fit_weights and seen else fixed
        vote = combine([said[n] for n in names], weights, config.vote.kind)
        up_to = FoldVote(0, *rows[UP_TO], said, vote)
    weights = _fitted(plan, folds, names) if fit_weights and folds else fixed
    final = {name: parts["final"][name] for name in names}
    last = LAST if LAST in parts else "final"
    held = {name: final[name].probabilities for name in names}
    result = LevelResult(
        plan=level,
        final=final,
        shipped={name: parts[last][name] for name in names},
        shipped_rows=rows[last][0],
        weights=dict(zip(names, weights, strict=True)),
        folds=tuple(folds),
        holdout=held,
        holdout_vote=combine([held[n] for n in names], weights, config.vote.kind),
        up_to=up_to,
    )
    return _calibrated(plan, result) if config.calibration.temperature else result


def _calibrated(plan: Plan, result: LevelResult) -> LevelResult:
    """Give votes a temperature, if it is better fold-forward.

    Each fold gets one that was fitted on all the others, the holdout and what is shipped one of all folds,
    and what is fitted up to a moment one of the folds before it.
    """
    found = _chosen(plan, result.folds)
    if found is None or not found.kept:
        return replace(result, calibration=found)
    folds = tuple(
        replace(fold, vote=at_temperature(fold.vote, temperature))
        for fold, temperature in zip(result.folds, found.by_fold, strict=True)
    )
    up_to = result.up_to
    if up_to is not None:
        first = up_to.test_rows[0]
        before = _chosen(plan, [f for f in result.folds if f.test_rows[-1] < first])
        if before is not None and before.kept:
            up_to = replace(up_to, vote=at_temperature(up_to.vote, before.temperature))
    return replace(
        result,
        calibration=found,
        folds=folds,
        up_to=up_to,
        holdout_vote=at_temperature(result.holdout_vote, found.temperature),
        holdout_before=result.holdout_vote,
    )


def _chosen(plan: Plan, folds: Sequence[FoldVote]) -> Calibration | None:
    return choose_temperature([f.vote for f in folds], [plan.dataset.labels[f.test_rows] for f in folds])


def _fitted(plan: Plan, folds: list[FoldVote], names: list[str]) -> tuple[float, ...]:
    labels = np.concatenate([plan.dataset.labels[f.test_rows] for f in folds])
    return optimal_weights([np.concatenate([f.members[n] for f in folds]) for n in names], labels)
