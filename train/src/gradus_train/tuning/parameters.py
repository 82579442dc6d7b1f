"""The file that a search leaves, and that training reads: best parameters by level and member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import codec, strict_json
from gradus_runtime.errors import ConfigError
from gradus_runtime.store.whole_file import write_whole
from gradus_train.config import Parameters, TrainingConfig, check_parameters

__all__ = ["FORMAT", "Found", "load_into", "save"]

FORMAT = "gradus-tuned/1"


@dataclass(frozen=True, slots=True)
class Found:
    """The best of a study.

    `log_loss` is the mean over walk-forward folds, of rows that the trial's models had not seen; but the best
    of many trials is chosen by it, so it flatters: the holdout tells.
    """

    level: str
    member: str
    log_loss: float
    trials: int
    pruned: int
    parameters: Parameters


def save(path: Path, found: Sequence[Found]) -> None:
    """Write the file."""
    levels: dict[str, dict[str, Parameters]] = {}
    for item in found:
        levels.setdefault(item.level, {})[item.member] = item.parameters
    studies = [{k: v for k, v in codec.encode(f).items() if k != "parameters"} for f in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {"format": FORMAT, "levels": levels, "studies": studies}
    write_whole(path, strict_json.canonical_bytes(value))


def load_into(config: TrainingConfig, path: Path) -> TrainingConfig:
    """Return the configuration with the file's parameters over its own.

    Raises:
        ConfigError: The file is missing, breaks a rule, or names a member that the configuration has not.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ConfigError("tuned parameters must be readable", place=str(path), cause=e.strerror) from None
    value = strict_json.parse(data, place=str(path), error=ConfigError)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ConfigError(f"format must be {FORMAT!r}", place=str(path))
    return replace(config, tuned=_levels(config, value.get("levels"), str(path)))


def _levels(config: TrainingConfig, value: Any, place: str) -> Mapping[str, Mapping[str, Parameters]]:
    if not isinstance(value, dict):
        raise ConfigError("levels must be an object", place=f"{place}: levels", value=value)
    names = [m.name for m in config.members]
    result: dict[str, dict[str, Parameters]] = {}
    for level, members in value.items():
        if not isinstance(members, dict):
            raise ConfigError("a level must be an object", place=f"{place}: levels.{level}", value=members)
        for member, parameters in members.items():
            where = f"{place}: levels.{level}.{member}"
            if member not in names:
                raise ConfigError(
                    "a tuned member must be in the configuration",
                    place=where,
                    value=member,
                    hint=f"Members: {', '.join(names)}.",
                )
            result.setdefault(level, {})[member] = check_parameters(parameters, where)
    return result
