"""`training.toml`: data, labels, split, imbalance, vote and members of a training run.

Keys of `[data]`, `[labels]`, those of `sections` and `split.gap` have defaults; all others are needed.
Parameters of members are passed on to their libraries by the names these libraries use. To add a key: give it
a default, so that files without it keep their meaning. A key that changes a meaning needs a new number of the
format, and a conversion beside `_from_format_1`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradus_live.labels import LabelRule, label_parameters, parse_label
from gradus_runtime.contracts import codec, names, strict_json, toml_file
from gradus_runtime.errors import ConfigError, UsageError
from gradus_train.data.source import DataSettings
from gradus_train.kinds import KINDS
from gradus_train.sections import (
    OPTIONAL,
    CalibrationSettings,
    DriftSettings,
    LastFit,
    PolicySettings,
    Service,
)

__all__ = [
    "FORMAT",
    "EarlyStopping",
    "Imbalance",
    "LastFit",
    "MemberConfig",
    "Parameters",
    "Scalar",
    "Service",
    "Split",
    "TrainingConfig",
    "Vote",
    "check_parameters",
    "load",
    "parameters_of",
    "parse",
]

FORMAT = "gradus-training/2"
FORMAT_1 = "gradus-training/1"
_OF_THE_RUN = ("seed", "random_seed", "random_state", "n_jobs", "num_threads", "num_class", "objective")
_OF_ITS_OUTPUT = ("verbosity", "verbose", "silent")
RESERVED = frozenset({*_OF_THE_RUN, *_OF_ITS_OUTPUT, *(name for k in KINDS.values() for name in k.reserved)})

Scalar = str | int | float | bool
Parameters = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Split:
    """Walk-forward `folds`; `holdout`, the latest share.

    `gap` bars lie between training and test rows; 0 stands for the reach of the label, which is the least.
    """

    folds: int
    gap: int
    holdout: float


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Boosting stops after `rounds` rounds without progress on the latest share `tail` of the training rows.

    With `refit` the model is then trained again on all training rows, for the number of rounds found.
    `rounds` of 0 turns it off.
    """

    rounds: int
    tail: float
    refit: bool


@dataclass(frozen=True, slots=True)
class Imbalance:
    """`smote`: synthetic rows for the rarer classes, made from training rows alone."""

    smote: bool


@dataclass(frozen=True, slots=True)
class Vote:
    """`kind` "soft" (mean of probabilities) or "hard"; `weights` "fixed" or "optimise" (out of fold)."""

    kind: str
    weights: str


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """A member of the vote.

    `class_weight` lies in [0, 1]: a class of n of N rows weighs (N / (C n)) ** class_weight; 1 is "balanced",
    0 leaves all rows alike.
    """

    name: str
    kind: str
    weight: float
    class_weight: float
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """The whole file.

    `tuned` holds parameters by level and member, from `gradus tune`, over the file's. `table_reach` is the
    reach of labels that a feature table brings without saying theirs: files of format 1 state it as
    `labels.horizon`; with None such a table is refused. `members_dropped` were left out on the command line.
    """

    seed: int
    data: DataSettings
    labels: LabelRule
    table_reach: int | None
    split: Split
    early_stopping: EarlyStopping
    imbalance: Imbalance
    vote: Vote
    service: Service
    last_fit: LastFit
    drift: DriftSettings
    policy: PolicySettings
    calibration: CalibrationSettings
    members: tuple[MemberConfig, ...]
    tuned: Mapping[str, Mapping[str, Parameters]]
    members_dropped: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON value."""
        value = codec.encode(self)
        if not isinstance(value, dict):
            raise TypeError("a training configuration encodes to an object")
        if not self.members_dropped:
            del value["members_dropped"]
        if not self.data.columns:
            del value["data"]["columns"]
        return {**value, "labels": label_parameters(self.labels)}

    def sha256(self) -> str:
        """SHA-256 over the canonical JSON: what the models depend on besides data and feature order."""
        return hashlib.sha256(strict_json.canonical_bytes(self.to_json())).hexdigest()

    def with_seed(self, seed: int | None) -> TrainingConfig:
        """Return it with another seed; itself for None.

        Raises:
            UsageError: The seed is out of range.
        """
        if seed is None:
            return self
        if not 0 <= seed < 2**31:
            raise UsageError("a seed must lie in [0, 2**31)", place="--seed", value=seed)
        return replace(self, seed=seed)

    def without_members(self, dropped: Collection[str]) -> TrainingConfig:
        """Return it without these members, the weights of the others divided by their sum.

        Raises:
            UsageError: One is not a member, or none is left.
        """
        known = [m.name for m in self.members]
        for name in dropped:
            if name not in known:
                hint = f"Members: {', '.join(known)}."
                raise UsageError("a member must be known", place="--drop-member", value=name, hint=hint)
        kept = [m for m in self.members if m.name not in dropped]
        if not kept:
            raise UsageError("at least one member must be left", place="--drop-member", value=sorted(dropped))
        if len(kept) == len(known):
            return self
        total = math.fsum(m.weight for m in kept)
        members = tuple(replace(m, weight=m.weight / total) for m in kept)
        return replace(self, members=members, members_dropped=tuple(n for n in known if n in dropped))


def parameters_of(config: TrainingConfig, level: str, member: MemberConfig) -> dict[str, Scalar]:
    """Parameters of a member on a level: the file's, and over them the tuned ones."""
    return {**member.parameters, **config.tuned.get(level, {}).get(member.name, {})}


def load(path: Path) -> TrainingConfig:
    """Read and check a `training.toml`.

    Raises:
        ConfigError: The file is missing, is not TOML, or breaks a rule; the message names the key.
    """
    return parse(toml_file.read(path, "a training configuration"), place=str(path))


def parse(value: dict[str, Any], *, place: str) -> TrainingConfig:
    """Check a parsed configuration.

    Raises:
        ConfigError: A rule is broken.
    """
    name = value.get("format")
    if name not in (FORMAT, FORMAT_1):
        raise ConfigError(f"format must be {FORMAT!r} or {FORMAT_1!r}", place=f"{place}: format", value=name)
    body = {key: item for key, item in value.items() if key != "format"}
    table_reach = None
    if name == FORMAT_1:
        body, table_reach = _from_format_1(body, place)
    members = body.pop("members", None)
    if not isinstance(members, list) or not members:
        raise ConfigError(
            "a list with at least one member is needed", place=f"{place}: members", value=members
        )
    labels = parse_label(_section(body, "labels", {"kind": "fixed_horizon"}, place), place=f"{place}: labels")
    body.pop("labels", None)
    sections = {
        **body,
        "data": _section(body, "data", codec.encode(DataSettings()), place),
        "split": _section(body, "split", {"gap": 0}, place),
        **{name: _section(body, name, codec.encode(d), place) for name, d in OPTIONAL.items()},
    }
    read = codec.decode(_Sections, sections, place=place, error=ConfigError)
    config = TrainingConfig(
        seed=read.seed,
        data=read.data,
        labels=labels,
        table_reach=table_reach,
        split=read.split,
        early_stopping=read.early_stopping,
        imbalance=read.imbalance,
        vote=read.vote,
        service=read.service,
        last_fit=read.last_fit,
        drift=read.drift,
        policy=read.policy,
        calibration=read.calibration,
        members=tuple(_member(m, f"{place}: members[{i}]") for i, m in enumerate(members)),
        tuned={},
    )
    _check(config, place)
    return config


def _from_format_1(body: dict[str, Any], place: str) -> tuple[dict[str, Any], int]:
    """Return a file of format 1 as one of format 2: every key of labels and split had to be present."""
    labels, split = body.get("labels"), body.get("split")
    if not isinstance(labels, dict) or not isinstance(split, dict):
        raise ConfigError("the sections labels and split must be present", place=place, value=sorted(body))
    rule = codec.decode(_Labels1, labels, place=f"{place}: labels", error=ConfigError)
    whole = codec.decode(Split, split, place=f"{place}: split", error=ConfigError)
    if whole.gap < rule.horizon:
        raise ConfigError(
            "split.gap must be at least labels.horizon (else labels of training rows reach into test rows)",
            place=place,
            value=whole.gap,
        )
    for key in OPTIONAL:
        if key in body:
            raise ConfigError(f"{key} needs format {FORMAT!r}", place=place, value=body[key])
    upgraded = {
        **body,
        "data": _section(body, "data", {"bridge_bars": 0}, place),
        "labels": {"kind": "fixed_horizon", **labels},
        "service": {"order": "declared"},
        "last_fit": {"on": False},
        "policy": {"kind": "argmax"},
    }
    return upgraded, rule.horizon


@dataclass(frozen=True, slots=True)
class _Labels1:
    """The keys of labels in format 1."""

    horizon: int
    threshold: float
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sections:
    """What is read by its types alone."""

    seed: int
    data: DataSettings
    split: Split
    early_stopping: EarlyStopping
    imbalance: Imbalance
    vote: Vote
    service: Service
    last_fit: LastFit
    drift: DriftSettings
    policy: PolicySettings
    calibration: CalibrationSettings


def check_parameters(value: Any, place: str) -> Parameters:
    """Check that a mapping holds parameters that a member may be given.

    Raises:
        ConfigError: Not names to scalars, or a name that gradus sets itself.
    """
    if not isinstance(value, dict):
        raise ConfigError("a table of parameters is needed", place=place, value=value)
    for key, item in value.items():
        if type(item) not in (str, int, float, bool):
            raise ConfigError(
                "a parameter must be text, a number or true/false", place=f"{place}.{key}", value=item
            )
        if isinstance(item, float) and not math.isfinite(item):
            raise ConfigError("a parameter must be a finite number", place=f"{place}.{key}", value=item)
        if key in RESERVED:
            raise ConfigError(
                "a parameter must not be one that gradus sets itself",
                place=f"{place}.{key}",
                value=item,
                hint="Seed, threads and objective follow from the run: remove the line.",
            )
    return dict(value)


def _section(body: Mapping[str, Any], name: str, defaults: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a section with the defaults of what it leaves out."""
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise ConfigError("a table is needed", place=f"{place}: {name}", value=value)
    return {**defaults, **value}


def _member(value: Any, place: str) -> MemberConfig:
    if not isinstance(value, dict):
        raise ConfigError("a member must be a table", place=place, value=value)
    parameters = check_parameters(value.get("parameters", {}), f"{place}.parameters")
    member = codec.decode(MemberConfig, {**value, "parameters": {}}, place=place, error=ConfigError)
    if member.kind not in KINDS:
        raise ConfigError(
            "a kind must be known",
            place=f"{place}.kind",
            value=member.kind,
            hint=f"Choose from {', '.join(KINDS)}.",
        )
    if not member.name.isidentifier() or not names.is_identifier(member.name):
        rule = "a member's name must start with a letter or _ and hold letters a to z, digits and _ only"
        raise ConfigError(rule, place=f"{place}.name", value=member.name)
    for key, allowed in KINDS[member.kind].exact.items():
        if parameters.get(key, allowed[0]) not in allowed:
            raise ConfigError(
                f"{key} must be {' or '.join(map(repr, allowed))}: {KINDS[member.kind].why}",
                place=f"{place}.parameters.{key}",
                value=parameters[key],
            )
    _range(0 <= member.class_weight <= 1, "class_weight must lie in [0, 1]", place, member.class_weight)
    _range(member.weight > 0, "weight must be above 0", place, member.weight)
    return replace(member, parameters=parameters)


def _check(config: TrainingConfig, place: str) -> None:
    labels, split, stopping = config.labels, config.split, config.early_stopping
    _range(0 <= config.seed < 2**31, "seed must lie in [0, 2**31)", place, config.seed)
    _range(split.folds >= 2, "split.folds must be at least 2", place, split.folds)
    rule = (
        f"split.gap must be at least {labels.reach}, the reach of the label, or be left out "
        "(else labels of training rows reach into test rows)"
    )
    _range(split.gap == 0 or split.gap >= labels.reach, rule, place, split.gap)
    _range(0 < split.holdout < 0.5, "split.holdout must lie in (0, 0.5)", place, split.holdout)
    _range(stopping.rounds >= 0, "early_stopping.rounds must be at least 0", place, stopping.rounds)
    _range(0 < stopping.tail < 0.5, "early_stopping.tail must lie in (0, 0.5)", place, stopping.tail)
    _range(
        config.vote.kind in ("soft", "hard"), "vote.kind must be 'soft' or 'hard'", place, config.vote.kind
    )
    _range(config.vote.weights in ("fixed", "optimise"), "vote.weights must be 'fixed' or 'optimise'", place,
           config.vote.weights)  # fmt: skip
    rule = "calibration.temperature needs a soft vote: a hard one has no probabilities to calibrate"
    _range(not config.calibration.temperature or config.vote.kind == "soft", rule, place, config.vote.kind)
    order = config.service.order
    _range(order in ("measured", "declared"), "service.order must be 'measured' or 'declared'", place, order)
    config.policy.check(f"{place}: policy")
    members = [m.name for m in config.members]
    _range(len(set(members)) == len(members), "a member's name must occur once", place, members)
    for i, name in enumerate(config.labels.classes):
        rule = "a class must be called by 1 to 64 printable characters"
        _range(0 < len(name) <= 64 and name.isprintable(), rule, f"{place}: labels.classes[{i}]", name)


def _range(holds: bool, rule: str, place: str, value: object) -> None:
    if not holds:
        raise ConfigError(rule, place=place, value=value)
