"""Drawing parameters from the space of a kind of member."""

from __future__ import annotations

import optuna

from gradus_train.config import Parameters, Scalar
from gradus_train.kinds import KINDS

__all__ = ["start", "suggest"]


def suggest(trial: optuna.Trial, kind: str, given: Parameters) -> dict[str, Scalar]:
    """Draw parameters for a trial, over those that the configuration gives."""
    drawn: dict[str, Scalar] = {}
    for d in KINDS[kind].space:
        if d.integer:
            drawn[d.name] = trial.suggest_int(d.name, int(d.low), int(d.high), log=d.log)
        else:
            drawn[d.name] = trial.suggest_float(d.name, d.low, d.high, log=d.log)
    return {**given, **drawn, **KINDS[kind].fixed}


def start(kind: str, given: Parameters) -> dict[str, Scalar]:
    """Return those of the configuration's parameters that lie in the space: where the search starts."""
    result: dict[str, Scalar] = {}
    for d in KINDS[kind].space:
        value = given.get(d.name)
        if isinstance(value, int | float) and not isinstance(value, bool) and d.low <= value <= d.high:
            result[d.name] = value
    return result
