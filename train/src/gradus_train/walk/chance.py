"""How much of a tuned walk may be luck: trials in figures, and what choosing the best of them does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradus_live.costs import Costs
from gradus_live.overfitting import deflated_sharpe, expected_best, moments_of, overfitting
from gradus_train.walk.tuning import Study, Trial

__all__ = ["Chance", "StudyFigures", "TrialFigures", "chance_of", "figures_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrialFigures:
    """A trial out of fold: log loss, net log return of its calls, and Sharpe ratio a day (None: no trade)."""

    number: int
    log_loss: float
    net: float
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class StudyFigures:
    """A study of a week.

    Attributes:
        level: Name.
        member: Name.
        chosen: Number of the trial that training took.
        overfitting: Probability of backtest overfitting of choosing by log loss; None with a single trial, or
            with too few days.
        trials: By number.
    """

    level: str
    member: str
    chosen: int
    overfitting: float | None
    trials: tuple[TrialFigures, ...]


@dataclass(frozen=True, slots=True)
class Chance:
    """What tuning does to the walk's figures.

    Attributes:
        trials: In all.
        trials_a_week: Of all levels and members, in the week that has most.
        sharpe: Of the walk's net log returns a day; None where nothing was traded.
        best_of_luck: What the best of a week's trials without skill is expected to show.
        deflated: Deflated Sharpe ratio: the probability that the walk's true Sharpe ratio is above that.
        overfitting: Probability of backtest overfitting, the mean of all studies.
    """

    trials: int
    trials_a_week: int
    sharpe: float | None
    best_of_luck: float
    deflated: float | None
    overfitting: float | None


def figures_of(study: Study, costs: Costs, bar_ms: int) -> StudyFigures:
    """Return a study's figures under costs."""
    losses = np.array([t.losses for t in study.trials]).T
    return StudyFigures(
        study.level,
        study.member,
        study.chosen,
        overfitting(-losses, np.array(study.rows, dtype=np.float64)),
        tuple(_trial(t, costs, bar_ms) for t in study.trials),
    )


def _trial(t: Trial, costs: Costs, bar_ms: int) -> TrialFigures:
    nothing = costs.of_trades(np.zeros(1, np.int64), bar_ms)[0]
    held = costs.of_trades(np.array(t.bars, dtype=np.int64), bar_ms) - nothing
    net = np.array(t.gross) - nothing * np.array(t.trades) - held
    moments = moments_of(net)
    return TrialFigures(t.number, t.log_loss, float(net.sum()), None if moments is None else moments.sharpe)


def chance_of(weeks: Sequence[Sequence[StudyFigures]], days: Floats) -> Chance | None:
    """Put the weeks' trials together; None where no week was tuned.

    Args:
        weeks: The studies of each week.
        days: Net log return of each day of the walk.
    """
    counts = [sum(len(s.trials) for s in studies) for studies in weeks]
    if not any(counts):
        return None
    spreads = [_variance(studies) for studies in weeks]
    known = [v for v in spreads if v is not None]
    best = expected_best(max(counts), float(np.sqrt(np.mean(known)))) if known else 0.0
    moments = moments_of(days)
    chances = [s.overfitting for studies in weeks for s in studies if s.overfitting is not None]
    return Chance(
        trials=sum(counts),
        trials_a_week=max(counts),
        sharpe=None if moments is None else moments.sharpe,
        best_of_luck=best,
        deflated=None if moments is None else deflated_sharpe(moments, best),
        overfitting=float(np.mean(chances)) if chances else None,
    )


def _variance(studies: Sequence[StudyFigures]) -> float | None:
    """Of the Sharpe ratios of a week's trials."""
    sharpes = [t.sharpe for s in studies for t in s.trials if t.sharpe is not None]
    return float(np.var(sharpes, ddof=1)) if len(sharpes) > 1 else None
