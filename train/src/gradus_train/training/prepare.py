"""From a dataset and a configuration to the list of parts to train. No model is fitted here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import ConfigError, DataError, UsageError
from gradus_train.config import MemberConfig, Split, TrainingConfig, parameters_of
from gradus_train.data.dataset import Dataset
from gradus_train.kinds import KINDS
from gradus_train.training.fitting import Recipe
from gradus_train.training.member import RowNumbers
from gradus_train.training.parts import PartKey
from gradus_train.training.splits import Timeline, timeline

__all__ = [
    "LAST",
    "LIBRARIES",
    "UP_TO",
    "Plan",
    "Task",
    "TrainingLevel",
    "latest_days",
    "library_versions",
    "prepare",
    "with_fit_up_to",
]

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    **{kind.distributions[0]: kind.distributions for kind in KINDS.values()},
    **{name: (name,) for name in ("imbalanced-learn", "skops", "numpy")},
}
"""What a model depends on, each with the distributions that bring it."""
MINIMUM_ROWS = 100
LAST = "last"
UP_TO = "upto"
MINIMUM_FOLD_ROWS = 30
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Task:
    """One part to train: fit `recipe` on `train`, give probabilities of `measure` (rows of the dataset).

    `final` says that its model is kept: one that is measured on the holdout, or one that is shipped.
    """

    key: PartKey
    recipe: Recipe
    columns: RowNumbers
    train: RowNumbers
    measure: RowNumbers
    final: bool


@dataclass(frozen=True, slots=True)
class TrainingLevel:
    """A level to train.

    Attributes:
        name: Of the level.
        features: Its feature names, in order.
        usable: Rows of the dataset with a label and all these features, but for groups that they may lack,
            bool [N].
        columns: Their places in the full vector, int64 [F_level].
        skipped: Folds without enough rows of this level, by number from 1, with the reason.
        tasks: Its parts, fold by fold, the final ones last.
    """

    name: str
    features: tuple[str, ...]
    usable: npt.NDArray[np.bool_]
    columns: RowNumbers
    skipped: dict[int, str]
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run is made of before anything is fitted."""

    dataset: Dataset
    order: FeatureOrder
    config: TrainingConfig
    timeline: Timeline
    levels: tuple[TrainingLevel, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The parts of all levels; the final models, which take longest, first."""
        tasks = [t for level in self.levels for t in level.tasks]
        return tuple(sorted(tasks, key=lambda t: -len(t.train)))


def prepare(
    dataset: Dataset, order: FeatureOrder, config: TrainingConfig, levels: Sequence[str] | None = None
) -> Plan:
    """Split the rows by time and list the parts.

    Args:
        dataset: Rows; those without a label, or that no level has features for, are left out.
        order: Features and levels.
        config: How to train.
        levels: Names of the levels to train; all of them by default. The split does not depend on it.

    Raises:
        UsageError: A level is not known.
        DataError: Too few rows, or fewer than two classes.
        EnvironmentFailedError: The library of a member is not installed.
    """
    _check_libraries(config)
    config = replace(config, split=_with_gap(config.split, dataset.rule.reach))
    chosen = [s.name for s in order.levels] if levels is None else list(levels)
    for name in chosen:
        order.level(name)
    order = dataset.order or order
    finite = np.isfinite(dataset.features)
    labelled = dataset.labels >= 0
    columns = {s.name: _columns(order, dataset, s.name) for s in order.levels}
    _check_learned(order, config)
    place = {name: i for i, name in enumerate(dataset.names)}
    learned = [place[f.name] for f in order.features if f.group in order.learned]
    finite[:, learned] |= np.isnan(dataset.features[:, learned])
    usable = {name: labelled & finite[:, c].all(axis=1) for name, c in columns.items()}
    line = timeline(np.logical_or.reduce(list(usable.values())), config.split)
    inputs = _inputs_digest(dataset)
    plans = []
    for spec in order.levels:
        if spec.name in chosen:
            plans.append(
                _level(spec.name, order, dataset, config, line, columns[spec.name], usable[spec.name], inputs)
            )
    return Plan(dataset, order, config, line, tuple(plans))


def with_fit_up_to(plan: Plan, end: int) -> Plan:
    """Return the plan with parts that are fitted on rows up to a moment and say something of the rows after.

    Labels of their training rows end at or before it. A level with too few rows on either side has none.

    Args:
        plan: A plan.
        end: Open of the last bar that may be looked at, ms since 1970 UTC.
    """
    last = int(np.searchsorted(plan.dataset.timestamps, end, side="right")) - 1
    inputs = _inputs_digest(plan.dataset)
    levels = []
    for level in plan.levels:
        rows = np.flatnonzero(level.usable).astype(np.int64)
        piece = (UP_TO, rows[rows + plan.config.split.gap <= last], rows[rows > last])
        if min(len(piece[1]), len(piece[2])) >= MINIMUM_FOLD_ROWS:
            tasks = tuple(
                _task(level.name, member, piece, plan.config, level.columns, inputs)
                for member in plan.config.members
            )
            level = replace(level, tasks=(*tasks, *level.tasks))
        levels.append(level)
    return replace(plan, levels=tuple(levels))


def _with_gap(split: Split, reach: int) -> Split:
    """Return the split with a gap of the label's reach where it names none."""
    if 0 < split.gap < reach:
        raise ConfigError(
            f"split.gap must be at least {reach}, the reach of the labels that the data brings",
            place="split.gap",
            value=split.gap,
            hint="Leave it out: then it follows from the label.",
        )
    return replace(split, gap=split.gap or reach)


def latest_days(dataset: Dataset, days: int) -> npt.NDArray[np.bool_]:
    """Return which rows lie within `days` days of the last bar, bool [N].

    Raises:
        UsageError: `days` is not positive.
    """
    if days < 1:
        raise UsageError("days must be at least 1", place="--days", value=days)
    return np.asarray(dataset.timestamps > dataset.timestamps[-1] - days * _DAY_MS)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that models depend on, of those that are installed."""
    found: dict[str, str] = {}
    for name, distributions in LIBRARIES.items():
        for distribution in distributions:
            with suppress(PackageNotFoundError):
                found.setdefault(name, version(distribution))
    return found


def _check_libraries(config: TrainingConfig) -> None:
    for member in config.members:
        optional = KINDS[member.kind].optional
        if optional is not None:
            optional.get(place=f"member {member.name}")


def _check_learned(order: FeatureOrder, config: TrainingConfig) -> None:
    """Hold members to what rows without a group ask of them.

    Raises:
        ConfigError: One cannot be fitted on missing values.
    """
    if not order.learned:
        return
    rule = f"members must take missing values, as the group {order.learned[0]} may be missing"
    for member in config.members:
        if not KINDS[member.kind].takes_missing:
            raise ConfigError(
                rule, place=f"members.{member.name}", value=member.kind, hint="Leave the member out."
            )
    if config.imbalance.smote:
        raise ConfigError(
            "synthetic rows cannot be made of rows with missing values", place="imbalance.smote", value=True
        )


def _columns(order: FeatureOrder, dataset: Dataset, level: str) -> RowNumbers:
    place = {name: i for i, name in enumerate(dataset.names)}
    return np.array([place[name] for name in order.level_features(level)], dtype=np.int64)


def _level(
    name: str,
    order: FeatureOrder,
    dataset: Dataset,
    config: TrainingConfig,
    line: Timeline,
    columns: RowNumbers,
    usable: npt.NDArray[np.bool_],
    inputs: str,
) -> TrainingLevel:
    development = line.development[usable[line.development]]
    _check_rows(name, dataset, development, int(usable[line.holdout].sum()))
    skipped: dict[int, str] = {}
    pieces: list[tuple[str, RowNumbers, RowNumbers]] = []
    for number, fold in enumerate(line.folds, start=1):
        train, test = fold.train[usable[fold.train]], fold.test[usable[fold.test]]
        if min(len(train), len(test)) < MINIMUM_FOLD_ROWS:
            skipped[number] = f"{len(train)} training and {len(test)} test rows have all features of {name}"
        else:
            pieces.append((f"fold{number}", train, test))
    held = line.holdout[usable[line.holdout]]
    if config.last_fit.on:
        pieces.append((LAST, np.flatnonzero(usable).astype(np.int64), held[:0]))
    pieces.append(("final", development, held))
    tasks = tuple(
        _task(name, member, piece, config, columns, inputs) for piece in pieces for member in config.members
    )
    return TrainingLevel(name, order.level_features(name), usable, columns, skipped, tasks)


def _check_rows(name: str, dataset: Dataset, development: RowNumbers, held: int) -> None:
    if len(development) < MINIMUM_ROWS or held < 1:
        raise DataError(
            f"{name} needs at least {MINIMUM_ROWS} rows with its features before the holdout, and one in it",
            value=(len(development), held),
            hint="Give the files that its features come from, more candles, or train other levels: --level.",
        )
    found = np.unique(dataset.labels[development])
    if len(found) < 2:
        raise DataError(
            "training rows must hold at least two classes",
            place=name,
            value=[dataset.classes[c] for c in found],
            hint="Lower labels.threshold, or give more candles.",
        )


def _task(
    level: str,
    member: MemberConfig,
    piece: tuple[str, RowNumbers, RowNumbers],
    config: TrainingConfig,
    columns: RowNumbers,
    inputs: str,
) -> Task:
    fold, train, measure = piece
    recipe = Recipe(
        kind=member.kind,
        parameters=parameters_of(config, level, member),
        class_weight=member.class_weight,
        smote=config.imbalance.smote,
        early_stopping=config.early_stopping,
        gap=config.split.gap,
        seed=config.seed,
    )
    facts = {
        "recipe": codec.encode(recipe),
        "inputs": inputs,
        "rows": hashlib.sha256(columns.tobytes() + train.tobytes() + b"|" + measure.tobytes()).hexdigest(),
        "libraries": library_versions(),
        "final": fold in ("final", LAST),
    }
    digest = hashlib.sha256(strict_json.canonical_bytes(facts)).hexdigest()
    return Task(
        PartKey(level, member.name, fold, digest), recipe, columns, train, measure, fold in ("final", LAST)
    )


def _inputs_digest(dataset: Dataset) -> str:
    sha = hashlib.sha256()
    for array in (dataset.features, dataset.labels, dataset.timestamps):
        sha.update(str((array.dtype, array.shape)).encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    sha.update("\n".join(dataset.classes).encode())
    return sha.hexdigest()
