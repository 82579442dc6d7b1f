"""What a run tells about itself, for people and for the report: the `details` of `training_metadata.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradus_train.evaluation.beside import PinnedComparison
from gradus_train.evaluation.class_metrics import ReliabilityBin, Scores
from gradus_train.evaluation.equity import EquityPart
from gradus_train.evaluation.policy_report import PolicyReport
from gradus_train.evaluation.service import ServiceOrder
from gradus_train.evaluation.skill import AskedSkill
from gradus_train.evaluation.verdict import ReachedVerdict

__all__ = [
    "BalanceBucket",
    "DataSummary",
    "Details",
    "Drill",
    "FoldScores",
    "FoldSpan",
    "GateLine",
    "LevelDetails",
    "Scoreboard",
    "SplitSummary",
    "StepPrice",
]


@dataclass(frozen=True, slots=True)
class BalanceBucket:
    """Labels of a stretch of time: when it starts (ISO 8601 UTC), and rows by class."""

    start: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DataSummary:
    """The dataset: bars, bars with a label, first and last bar, labels over time.

    `label` says what a label means, as a sentence; `reach` is how many bars it looks ahead.
    """

    bars: int
    labelled: int
    start: str
    end: str
    sha256: str
    simulated: bool
    classes: tuple[str, ...]
    label: str
    reach: int
    balance: tuple[BalanceBucket, ...]


@dataclass(frozen=True, slots=True)
class FoldSpan:
    """First and last bar (ISO 8601 UTC) of a fold's training and test rows."""

    train_start: str
    train_end: str
    test_start: str
    test_end: str


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """The split of the timeline that all levels share; rows are those that at least one level can use."""

    development_rows: int
    holdout_rows: int
    gap: int
    holdout_start: str
    holdout_end: str
    folds: tuple[FoldSpan, ...]


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """Everybody on the same rows: each member, their vote, and the baselines.

    Baselines: "priors" (class shares of the training rows), "majority" (their largest class), and "level
    below" where there is one.
    """

    members: Mapping[str, Scores]
    ensemble: Scores
    baselines: Mapping[str, Scores]


@dataclass(frozen=True, slots=True)
class FoldScores:
    """A fold of a level: rows, and the scores, or why it was left out."""

    number: int
    train_rows: int
    test_rows: int
    skipped: str | None
    scores: Scoreboard | None


@dataclass(frozen=True, slots=True)
class LevelDetails:
    """A level.

    Attributes:
        name: Of the level.
        features: Its features, in order.
        train_rows: Rows that its final models were fitted on.
        weights: Of the members in the vote.
        parameters: Of each member, as text for people.
        rounds: Boosting rounds of each member's final model; 0 for what has none.
        folds: Walk-forward folds.
        out_of_fold: Over the test rows of all folds together; None where every fold was left out.
        holdout: On the holdout rows.
        reliability: Of the vote on the holdout rows, by class.
        importances: Of each member's final model, by feature.
        calibration: What a temperature does for the vote, as a sentence; None where nobody asked.
    """

    name: str
    features: tuple[str, ...]
    train_rows: int
    weights: Mapping[str, float]
    parameters: Mapping[str, str]
    rounds: Mapping[str, int]
    folds: tuple[FoldScores, ...]
    out_of_fold: Scoreboard | None
    holdout: Scoreboard
    reliability: tuple[tuple[ReliabilityBin, ...], ...]
    importances: Mapping[str, tuple[float, ...]]
    calibration: str | None = None


@dataclass(frozen=True, slots=True)
class StepPrice:
    """A level's vote on the holdout rows that every trained level can serve."""

    level: str
    scores: Scores


@dataclass(frozen=True, slots=True)
class Drill:
    """An outage, played on the holdout rows: `missing` groups absent in `stretches` random stretches.

    `served` counts rows by level; `scores` are of what was served; `without_outage` of the same rows, all
    served by the better level. `lost_rows` are those that one model, without levels, could not have served.
    """

    missing: tuple[str, ...]
    stretches: int
    share: float
    served: Mapping[str, int]
    scores: Scores
    without_outage: Scores
    lost_rows: int


@dataclass(frozen=True, slots=True)
class GateLine:
    """A gate: its sentence with the figures in it, and whether it holds (None: it was skipped).

    `kind` is "integrity" (a failure ends the run with 1) or "value" (it says what was found).
    """

    level: str
    rule: str
    kind: str
    text: str
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Details:
    """All of it."""

    verdict: ReachedVerdict
    service: ServiceOrder
    data: DataSummary
    split: SplitSummary
    levels: tuple[LevelDetails, ...]
    step_down: tuple[StepPrice, ...]
    drills: tuple[Drill, ...]
    gates: tuple[GateLine, ...]
    policy: PolicyReport | None = None
    pinned: PinnedComparison | None = None
    equity: tuple[EquityPart, ...] = ()
    skills: tuple[AskedSkill, ...] = ()
