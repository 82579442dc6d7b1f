"""The files of a configuration: what the survey found, and for the rest the default configuration."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from gradus_live.labels import Column, FixedHorizon
from gradus_runtime.contracts import default_files as packaged
from gradus_runtime.contracts.feature_order import FORMAT, Feature, FeatureOrder, Group, LevelSpec
from gradus_runtime.errors import UsageError
from gradus_runtime.store.whole_file import write_whole
from gradus_train.data.source import DataSettings
from gradus_train.init.labels import fallback_class
from gradus_train.init.survey import Survey

__all__ = ["DEFAULTS", "default_files", "feature_order_of", "files_for", "write_files"]

DEFAULTS = ("training.toml", "feature_order.json", "gates.toml", "costs.toml", "artifact.toml")
_PACKAGE = "gradus_train"


def default_files() -> dict[str, bytes]:
    """Return the default configuration, by file name."""
    return {name: packaged.default_file(_PACKAGE, name).read_bytes() for name in DEFAULTS}


def files_for(survey: Survey, shares: Mapping[str, float], source: str) -> dict[str, bytes]:
    """Return the configuration of a table, by file name.

    Args:
        survey: What was found.
        shares: Share of each class among the labels, in the order of the classes.
        source: How comments name the table.
    """
    order = json.dumps(feature_order_of(survey).to_json(), indent=1, ensure_ascii=False)
    return {
        "training.toml": _training(survey, source).encode(),
        "feature_order.json": (order + "\n").encode(),
        "gates.toml": packaged.default_file(_PACKAGE, "gates.toml").read_bytes(),
        "artifact.toml": _artifact(shares).encode(),
    }


def feature_order_of(survey: Survey) -> FeatureOrder:
    """Return the feature order: a level of all features, and one without those that are missing at times."""
    renamed = survey.settings.columns
    always = [n for n in survey.features if n not in survey.sometimes]
    parts = {"always": always, "sometimes": list(survey.sometimes)}
    groups = tuple(
        Group(name, tuple(Feature(n, name, f"column {renamed.get(n, n)} of the table") for n in features))
        for name, features in parts.items()
        if features
    )
    names = tuple(group.name for group in groups)
    levels = [LevelSpec("level1", names)]
    if len(names) == 2:
        levels.append(LevelSpec("level2", ("always",)))
    return FeatureOrder(groups, tuple(levels), format=FORMAT)


def write_files(files: Mapping[str, bytes], folder: Path, *, force: bool) -> list[Path]:
    """Write the files, and return their paths.

    Raises:
        UsageError: One is there already, and `force` is not given.
        EnvironmentFailedError: One cannot be written.
    """
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise UsageError(
            "an existing file must not be overwritten",
            place=str(folder),
            value=", ".join(there),
            hint="Add --force to replace it, or write elsewhere: --out DIR.",
        )
    paths = [folder / name for name in files]
    for path in paths:
        write_whole(path, files[path.name])
    return paths


def _training(survey: Survey, source: str) -> str:
    default = packaged.default_file(_PACKAGE, "training.toml").read_text("utf-8")
    start = default.index("\n[split]\n") + 1  # how to split and train does not depend on the table
    return "\n".join(
        [
            f"# How the levels are trained on {json.dumps(source)[1:-1]}: `gradus init --from` wrote it.",
            f"format = {_value(tomllib.loads(default)['format'])}",
            f"seed = {tomllib.loads(default)['seed']}",
            "",
            "[data]",
            *_data(survey.settings),
            "",
            "[labels]             # docs/labels.md has all kinds",
            *_labels(survey.rule),
            "",
            default[start:],
        ]
    )


def _data(settings: DataSettings) -> list[str]:
    zone = f"timezone = {_value(settings.timezone)}" if settings.timezone else '# timezone = "UTC"'
    lines = [
        f"bar_minutes = {settings.bar_minutes}",
        'stamps = "open"                  # a stamp is the time its bar opens ("close": closes)',
        f"{zone:<33}# of stamps that carry none",
        f"minimum_rows = {settings.minimum_rows}",
    ]
    if settings.columns:
        lines += ["", "[data.columns]       # names here, and what the table calls them"]
        lines += [f"{_value(name)} = {_value(column)}" for name, column in settings.columns.items()]
    return lines


def _labels(rule: Column | FixedHorizon) -> list[str]:
    classes = f"classes = {_value(rule.classes)}"
    if isinstance(rule, Column):
        lines = ['kind = "column"', f"column = {_value(rule.column)}"]
        lines += [f"reach = {rule.reach}            # bars after a row that its label looks at", classes]
        sides = [f"down = {_value(rule.down)}", f"up = {_value(rule.up)}"] if rule.down else []
        return lines + (sides or ['# down = "..."    # and up: the classes that mean a fall and a rise'])
    return [
        'kind = "fixed_horizon"',
        f"horizon = {rule.horizon}          # bars",
        f"threshold = {rule.threshold}",
        f'unit = {_value(rule.unit)}    # a multiple of recent volatility; "fraction": of the price',
        classes,
    ]


def _artifact(shares: Mapping[str, float]) -> str:
    default = tomllib.loads(packaged.default_file(_PACKAGE, "artifact.toml").read_text("utf-8"))
    threshold = default["decision"]["confidence_threshold"]
    fallback = fallback_class(shares)
    rounded = {name: round(share, 2) for name, share in shares.items()}
    rounded[fallback] = round(1.0 - sum(v for n, v in rounded.items() if n != fallback), 2)
    runtime = default["runtime"]
    return "\n".join(
        [
            "# What `gradus convert` makes of a run, and how decisions are made of its probabilities.",
            f"format = {_value(default['format'])}",
            "aliases = {}",
            "",
            "[decision]",
            f"confidence_threshold = {threshold}    # weaker calls become the fallback action",
            f"fallback_action = {_value(fallback)}    # also the action of a row that no level serves",
            f"fallback_confidence = {rounded[fallback]}",
            f"fallback_probabilities = {_value(list(rounded.values()))}    # of {', '.join(shares)}",
            "",
            "[runtime]    # of onnxruntime",
            f"minimum = {_value(runtime['minimum'])}",
            f"known_bad = {_value(runtime['known_bad'])}",
            "",
        ]
    )


def _value(value: str | Sequence[object]) -> str:
    """Return text, or a list of texts or numbers, as TOML: its strings are those of JSON."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"[{', '.join(_value(v) if isinstance(v, str) else repr(v) for v in value)}]"
