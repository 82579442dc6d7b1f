"""Which columns, levels and classes imported ensembles have: by a feature order, or derived from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from gradus_convert.pickles.ensemble import LegacyEnsemble
from gradus_runtime.contracts.feature_order import Feature, FeatureOrder, Group, LevelSpec
from gradus_runtime.contracts.names import is_identifier
from gradus_runtime.errors import DataError, UsageError
from gradus_runtime.wording import counted

__all__ = ["class_names", "derive_order", "ensemble_labels", "member_classes", "place_levels"]

_ONE_GROUP = "features"


def place_levels(
    order: FeatureOrder, ensembles: Mapping[str, LegacyEnsemble], widths: Mapping[str, int]
) -> dict[str, str]:
    """Find the level of the feature order for each ensemble.

    Args:
        order: A given feature order.
        ensembles: By the level's name; one without a name (the empty text) gets the level that it fits.
        widths: How many columns each reads.

    Returns:
        Level name by ensemble name.

    Raises:
        DataError: An ensemble's names are not those of its level, or it fits none.
    """
    placed = {}
    for name, ensemble in ensembles.items():
        level = order.level(name).name if name else _fitting(order, ensemble, widths[name])
        wanted = order.level_features(level)
        given, features = ensemble.feature_names, f"{counted(len(wanted), 'feature')}"
        if given is not None and given != wanted:
            odd = [f"{g} instead of {w}" for g, w in zip(given, wanted, strict=False) if g != w][:3]
            raise DataError(
                f"an ensemble must have the {features} of {level}, in order",
                place=name or level,
                value=odd or len(given),
            )
        if widths[name] != len(wanted):
            rule = f"an ensemble must read the {features} of {level}"
            raise DataError(rule, place=name or level, value=widths[name])
        placed[name] = level
    return placed


def _fitting(order: FeatureOrder, ensemble: LegacyEnsemble, width: int) -> str:
    levels = {s.name: order.level_features(s.name) for s in order.levels}
    for name, features in levels.items():
        if features == ensemble.feature_names:
            return name
    for name, features in levels.items():
        if len(features) == width:
            return name
    raise DataError(
        "an ensemble must read the features of a level",
        place="--feature-order",
        value=width,
        hint="Levels have " + ", ".join(f"{n}: {len(f)}" for n, f in levels.items()) + ".",
    )


def derive_order(ensembles: Mapping[str, LegacyEnsemble]) -> FeatureOrder:
    """Make a feature order of the ensembles' own names.

    One level gives one group. Several levels must nest, best first; each run of features that the same levels
    have becomes a group.

    Args:
        ensembles: By the level's name, best first.

    Raises:
        DataError: Names are missing, or the levels do not nest.
    """
    names = {level: _names(level, e) for level, e in ensembles.items()}
    levels = list(names)
    full = names[levels[0]]
    for better, worse in pairwise(levels):
        kept = tuple(n for n in names[better] if n in set(names[worse]))
        if kept != names[worse] or len(kept) == len(names[better]):
            raise DataError(
                f"{worse} must have some of the features of {better}, in the same order, and fewer",
                place="levels",
                value=[n for n in names[worse] if n not in names[better]][:3] or None,
                hint="Give the levels best first; a feature_order.json cannot help where the order differs.",
            )
    runs = [
        tuple(run) for _, run in groupby(full, key=lambda n: tuple(n in names[level] for level in levels))
    ]
    single = len(levels) == 1
    groups = []
    for number, run in enumerate(runs, 1):
        group = _ONE_GROUP if single else f"part{number}"
        groups.append(Group(group, tuple(Feature(n, group, "") for n in run)))
    return FeatureOrder(
        tuple(groups),
        tuple(
            LevelSpec(level, tuple(g.name for g in groups if g.features[0].name in names[level]))
            for level in levels
        ),
    )


def _names(level: str, ensemble: LegacyEnsemble) -> tuple[str, ...]:
    if ensemble.feature_names is None:
        raise DataError(
            "the names of the features must be known",
            place=level,
            hint="The file does not hold them: give --feature-order FILE, as docs/migrating.md shows.",
        )
    for i, name in enumerate(ensemble.feature_names):
        if not is_identifier(name):
            rule = "a feature's name must start with a letter or _ and hold letters, digits, _ . - only"
            raise DataError(rule, place=f"{level}: feature {i + 1}", value=name)
    if len(set(ensemble.feature_names)) != len(ensemble.feature_names):
        raise DataError("a feature must occur once", place=level)
    return ensemble.feature_names


def ensemble_labels(ensembles: Sequence[LegacyEnsemble], count: int) -> tuple[object, ...]:
    """Return the labels of the level that has most, in its order; the numbers from 0 where no file says.

    Raises:
        DataError: Another level has labels that this one lacks.
    """
    known = [e.labels for e in ensembles if e.labels is not None] or [tuple(range(count))]
    widest = max(known, key=len)
    if any(not set(labels) <= set(widest) for labels in known):
        raise DataError(
            "the levels must have the same classes", place="levels", value=sorted(set(map(str, known)))
        )
    return widest


def class_names(labels: tuple[object, ...], given: str | None) -> dict[object, str]:
    """Name the classes.

    Args:
        labels: In the order of the columns.
        given: `--classes`: names in the order of the labels, or LABEL=NAME pairs in the artifact's order;
            text labels themselves set the order alone.

    Returns:
        Name by label, in the artifact's order of classes.

    Raises:
        UsageError: `given` does not fit the labels.
    """
    if given is None:
        return {label: str(label) for label in labels}
    parts = [p.strip() for p in given.split(",")]
    by_text: dict[str, object] = {str(label): label for label in labels}
    if len(parts) != len(labels):
        raise UsageError(f"{len(labels)} classes must be named", place="--classes", value=given)
    if set(parts) == set(by_text):
        return {by_text[p]: p for p in parts}
    pairs: dict[str, str] = {}
    for label, part in zip(labels, parts, strict=True):
        text, equals, name = part.partition("=")
        pairs.update({text: name} if equals else {str(label): part})
    if set(pairs) != set(by_text) or len(set(pairs.values())) != len(pairs):
        raise UsageError(
            "each label must be named once",
            place="--classes",
            value=given,
            hint=f"The labels are {', '.join(by_text)}.",
        )
    return {by_text[text]: name for text, name in pairs.items()}


def member_classes(
    own: tuple[object, ...] | None,
    columns: int,
    labels: tuple[object, ...],
    order: Sequence[object],
    place: str,
) -> tuple[int, ...]:
    """Return the artifact's class of each of a member's columns.

    Args:
        own: The member's labels, if it has any. Numbers from 0 are positions where the ensemble has texts.
        columns: How many columns it has.
        labels: The ensemble's labels, in the order of the columns of a member without labels of its own.
        order: The same labels, in the artifact's order of classes.
        place: How errors name the member.

    Raises:
        DataError: The member has labels that the artifact lacks, or none and another number of columns.
    """
    if own is None or len(own) != columns:
        if columns != len(labels):
            rule = f"a member without labels must have {len(labels)} columns"
            raise DataError(rule, place=place, value=columns)
        own = labels
    elif all(isinstance(label, str) for label in labels):
        own = tuple(labels[n] if type(n) is int and 0 <= n < len(labels) else n for n in own)
    unknown = [label for label in own if label not in labels]
    if unknown:
        raise DataError("a member's labels must be those of the ensemble", place=place, value=unknown)
    return tuple(order.index(label) for label in own)
