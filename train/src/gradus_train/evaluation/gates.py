"""`gates.toml`: what a run must reach before it may be published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import codec, toml_file
from gradus_runtime.errors import ConfigError
from gradus_train.evaluation.details import GateLine, LevelDetails
from gradus_train.evaluation.metrics import Scores

__all__ = ["FORMAT", "METRICS", "Gate", "evaluate", "load", "parse", "passed"]

FORMAT = "gradus-gates/1"
METRICS = (
    "accuracy", "precision_macro", "precision_weighted", "recall_macro", "recall_weighted", "f1_macro",
    "f1_weighted", "log_loss", "brier", "ece",
)  # fmt: skip
_LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece"})
_RULES = ("at_least", "at_most", "beats", "margin_to_pinned")
_BASELINES = ("priors", "majority", "level below")


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule on the vote of a level ("*": of every trained level), measured on its holdout rows.

    Exactly one of the others is set: a bound; the baseline to beat; or by how much the metric may be worse
    than the pinned version's on the same rows.
    """

    level: str
    metric: str
    at_least: float | None
    at_most: float | None
    beats: str | None
    margin_to_pinned: float | None


def load(path: Path) -> tuple[Gate, ...]:
    """Read and check a `gates.toml`.

    Raises:
        ConfigError: The file is missing, is not TOML, or breaks a rule.
    """
    return parse(toml_file.read(path, "gates"), place=str(path))


def parse(value: dict[str, Any], *, place: str) -> tuple[Gate, ...]:
    """Check parsed gates.

    Raises:
        ConfigError: A rule is broken; the message names the gate.
    """
    if value.get("format") != FORMAT:
        raise ConfigError(f"format must be {FORMAT!r}", place=f"{place}: format", value=value.get("format"))
    items = value.get("gates", [])
    if not isinstance(items, list) or value.keys() - {"format", "gates"}:
        raise ConfigError("only 'format' and a list 'gates' are known", place=place, value=sorted(value))
    return tuple(_gate(item, f"{place}: gates[{i}]") for i, item in enumerate(items))


def _gate(value: Any, place: str) -> Gate:
    if not isinstance(value, dict):
        raise ConfigError("a gate must be a table", place=place, value=value)
    if sum(rule in value for rule in _RULES) != 1:
        raise ConfigError(f"a gate must have exactly one of {', '.join(_RULES)}", place=place, value=value)
    gate = codec.decode(Gate, {**dict.fromkeys(_RULES), **value}, place=place, error=ConfigError)
    if gate.metric not in METRICS:
        raise ConfigError(
            "a metric must be known",
            place=f"{place}.metric",
            value=gate.metric,
            hint=f"Choose from {', '.join(METRICS)}.",
        )
    if gate.beats is not None and gate.beats not in _BASELINES:
        raise ConfigError(
            f"a baseline must be one of {', '.join(_BASELINES)}", place=f"{place}.beats", value=gate.beats
        )
    return gate


def evaluate(
    gates: Sequence[Gate],
    levels: Sequence[LevelDetails],
    pinned: Mapping[str, tuple[Scores, Scores]] | str,
) -> tuple[GateLine, ...]:
    """Hold every level against every gate.

    Args:
        gates: Rules.
        levels: What was measured.
        pinned: By level, the scores of this run and of the pinned version on the same rows; or why there is
            no comparison, as a sentence.

    Raises:
        ConfigError: A gate names a level that was not trained.
    """
    known = [d.name for d in levels]
    lines = []
    for gate in gates:
        if gate.level != "*" and gate.level not in known:
            lines.append(
                GateLine(gate.level, gate.metric, f"{gate.level}: skipped, it was not trained", None)
            )
        for details in levels:
            if gate.level in ("*", details.name):
                lines.append(_line(gate, details, pinned))
    return tuple(lines)


def passed(lines: Sequence[GateLine]) -> bool:
    """Return whether no gate failed."""
    return all(line.holds is not False for line in lines)


def _line(gate: Gate, details: LevelDetails, pinned: Mapping[str, tuple[Scores, Scores]] | str) -> GateLine:
    name, metric = details.name, gate.metric
    value = _value(details.holdout.ensemble, metric)
    if gate.at_least is not None:
        return _result(name, metric, value, "at least", gate.at_least, value >= gate.at_least)
    if gate.at_most is not None:
        return _result(name, metric, value, "at most", gate.at_most, value <= gate.at_most)
    lower = metric in _LOWER_IS_BETTER
    if gate.beats is not None:
        baseline = details.holdout.baselines.get(gate.beats)
        if baseline is None:
            return GateLine(
                name, metric, f"{name}: {metric} against {gate.beats} skipped, there is none", None
            )
        other = _value(baseline, metric)
        side = "below" if lower else "above"
        holds = value < other if lower else value > other
        return _result(name, metric, value, f"{side} the baseline ({gate.beats})", other, holds)
    if isinstance(pinned, str):
        return GateLine(name, metric, f"{name}: {metric} against the pinned version skipped, {pinned}", None)
    if name not in pinned:
        return GateLine(name, metric, f"{name}: {metric} skipped, the pinned version has no {name}", None)
    margin = gate.margin_to_pinned or 0.0
    mine, theirs = (_value(s, metric) for s in pinned[name])
    bound = theirs + margin if lower else theirs - margin
    words = (
        f"{'at most' if lower else 'at least'} the pinned version's {theirs:.4f} with a margin of {margin}:"
    )
    return _result(name, metric, mine, words, bound, mine <= bound if lower else mine >= bound)


def _value(scores: Scores, metric: str) -> float:
    return float(getattr(scores, metric))


def _result(level: str, metric: str, value: float, words: str, bound: float, holds: bool) -> GateLine:
    text = f"{level}: {metric} {value:.4f} must be {words} {bound:.4f}"
    return GateLine(level, metric, text, bool(holds))
