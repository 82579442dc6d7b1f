"""`gates.toml`: what a run must reach before it may be published.

Gates of kind "integrity" end a run that fails them; those of kind "value" only say what was found. The tests
of the verdict (moves, direction, tradable) are value gates that are always there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_runtime.contracts import codec, toml_file
from gradus_runtime.errors import ConfigError
from gradus_runtime.wording import counted
from gradus_train.evaluation.beside import PinnedLine
from gradus_train.evaluation.class_metrics import Scores
from gradus_train.evaluation.details import GateLine, LevelDetails
from gradus_train.evaluation.members import MemberCost
from gradus_train.evaluation.pinned import SERVED
from gradus_train.evaluation.value import LEVEL, ValueTest
from gradus_train.evaluation.verdict import ReachedVerdict

__all__ = ["FORMAT", "METRICS", "Gate", "evaluate", "load", "parse", "passed", "value_lines"]

FORMAT = "gradus-gates/2"
FORMAT_1 = "gradus-gates/1"
KINDS = ("integrity", "value")
TESTS = ("priors", "leak", "members")
METRICS = (
    "accuracy", "precision_macro", "precision_weighted", "recall_macro", "recall_weighted", "f1_macro",
    "f1_weighted", "log_loss", "brier", "ece",
)  # fmt: skip
_LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece"})
_RULES = ("at_least", "at_most", "beats", "margin_to_pinned")
_ALL_RULES = (*_RULES, "test")
_BASELINES = ("priors", "majority", "level below")


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule on the vote of a level ("*": of every trained level), measured on its holdout rows; or a test.

    Exactly one of the others is set: a bound; the baseline to beat; by how much the metric may be worse than
    the pinned version's on the same rows; or a test of what is served: "priors" fails where its log loss is
    worse than that of the class priors, over folds and holdout, "leak" where a feature looks like the future,
    "members" where a member is worse than the class priors out of fold.
    `kind` is "integrity" or "value".
    """

    level: str
    metric: str
    at_least: float | None
    at_most: float | None
    beats: str | None
    margin_to_pinned: float | None
    kind: str
    test: str | None


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
    name = value.get("format")
    if name not in (FORMAT, FORMAT_1):
        raise ConfigError(f"format must be {FORMAT!r} or {FORMAT_1!r}", place=f"{place}: format", value=name)
    items = value.get("gates", [])
    if not isinstance(items, list) or value.keys() - {"format", "gates"}:
        raise ConfigError("only 'format' and a list 'gates' are known", place=place, value=sorted(value))
    rules = _RULES if name == FORMAT_1 else _ALL_RULES
    return tuple(_gate(item, f"{place}: gates[{i}]", rules) for i, item in enumerate(items))


def _gate(value: Any, place: str, rules: tuple[str, ...]) -> Gate:
    if not isinstance(value, dict):
        raise ConfigError("a gate must be a table", place=place, value=value)
    if sum(rule in value for rule in rules) != 1:
        raise ConfigError(f"a gate must have exactly one of {', '.join(rules)}", place=place, value=value)
    if rules == _RULES and value.keys() & {"kind", "test"}:
        raise ConfigError(f"kind and test need format {FORMAT!r}", place=place, value=value)
    if "test" in value:
        return _test_gate(value, place)
    defaults = {**dict.fromkeys(_ALL_RULES), "kind": "integrity"}
    gate = codec.decode(Gate, {**defaults, **value}, place=place, error=ConfigError)
    _check_kind(gate.kind, place)
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


def _test_gate(value: dict[str, Any], place: str) -> Gate:
    unknown = value.keys() - {"kind", "test"}
    if unknown or value["test"] not in TESTS:
        raise ConfigError(
            f"test must be one of {', '.join(TESTS)}, with no other key but kind",
            place=place,
            value=sorted(unknown) or value["test"],
        )
    kind = value.get("kind", "integrity")
    _check_kind(kind, place)
    return Gate("*", "log_loss", None, None, None, None, kind, value["test"])


def _check_kind(kind: object, place: str) -> None:
    if kind not in KINDS:
        raise ConfigError(f"kind must be one of {', '.join(KINDS)}", place=f"{place}.kind", value=kind)


def evaluate(
    gates: Sequence[Gate],
    levels: Sequence[LevelDetails],
    pinned: Mapping[str, PinnedLine] | str,
    *,
    worse: ValueTest | None = None,
    suspicions: Sequence[str] | None = None,
    costly: Sequence[MemberCost] = (),
) -> tuple[GateLine, ...]:
    """Hold every level against every gate.

    Args:
        gates: Rules.
        levels: What was measured.
        pinned: By level, the scores of this run and of the pinned version on the same rows; or why there is
            no comparison, as a sentence.
        worse: Whether what is served is worse than the class priors.
        suspicions: Features that look like the future, as sentences; None where nothing looked.
        costly: Members that are worse than the class priors out of fold.

    Raises:
        ConfigError: A gate names a level that was not trained.
    """
    known = [d.name for d in levels]
    lines = []
    for gate in gates:
        if gate.test is not None:
            if gate.test == "members":
                lines += _member_lines(gate, costly)
            else:
                lines.append(_test_line(gate, worse, suspicions))
            continue
        if gate.margin_to_pinned is not None and isinstance(pinned, str):
            level = "every level" if gate.level == "*" else gate.level
            text = f"{level}: {gate.metric} is not compared with the pinned version: {pinned}"
            lines.append(GateLine(gate.level, gate.metric, gate.kind, text, None))
            continue
        of_served = gate.margin_to_pinned is not None and gate.level in ("*", SERVED)
        if gate.level not in ("*", *known) and not of_served:
            lines.append(
                GateLine(
                    gate.level, gate.metric, gate.kind, f"{gate.level}: skipped, it was not trained", None
                )
            )
        for details in levels:
            if gate.level in ("*", details.name):
                lines.append(_line(gate, details, pinned))
        if of_served:
            lines.append(_against_pinned(gate, SERVED, pinned))
    return tuple(lines)


def passed(lines: Sequence[GateLine]) -> bool:
    """Return whether no integrity gate failed."""
    return all(line.holds is not False for line in lines if line.kind == "integrity")


def value_lines(verdict: ReachedVerdict) -> tuple[GateLine, ...]:
    """Return the verdict's tests as gates of what is served."""
    moves, direction = verdict.moves, verdict.direction
    lines = [_value_line("moves", "log loss gain over the best constant guess", "nats", moves)]
    if direction is None:
        text = f"served: direction skipped, {verdict.no_direction}"
        lines.append(GateLine("served", "direction", "value", text, None))
    else:
        what = "leaning to the side that is more probable earns"
        lines.append(_value_line("direction", what, "of the volatility", direction))
    if verdict.no_money is None:
        lines.append(
            GateLine("served", "tradable", "value", verdict.sentences[1], verdict.name == "tradable")
        )
    else:
        text = f"served: tradable skipped, {verdict.no_money}"
        lines.append(GateLine("served", "tradable", "value", text, None))
    return tuple(lines)


def _value_line(name: str, what: str, unit: str, test: ValueTest) -> GateLine:
    text = (
        f"served: {what} {test.mean:+.4f} {unit}, {test.holdout:+.4f} on the holdout, p {test.p:.4f}. "
        f"Proved where both are above 0 and p is below {LEVEL}"
    )
    return GateLine("served", name, "value", text, test.holds)


def _member_lines(gate: Gate, costly: Sequence[MemberCost]) -> list[GateLine]:
    if not costly:
        text = "no member is worse than the class priors out of fold"
        return [GateLine("*", "members", gate.kind, text, True)]
    return [GateLine(cost.level, "members", gate.kind, cost.sentence, False) for cost in costly]


def _test_line(gate: Gate, worse: ValueTest | None, suspicions: Sequence[str] | None) -> GateLine:
    if gate.test == "leak":
        if suspicions is None:
            return GateLine("*", "leak", gate.kind, "the check for leaks skipped, there are no prices", None)
        text = "; ".join(suspicions) or "no feature looks like the future"
        return GateLine("*", "leak", gate.kind, text, not suspicions)
    if worse is None:
        return GateLine(
            "served", "priors", gate.kind, "served: the class priors skipped, nothing is served", None
        )
    text = (
        f"served: log loss {_against(worse.mean)} than that of the class shares of training, "
        f"{_against(worse.holdout)} on the holdout, p {worse.p:.4f}. "
        f"Fails where both are higher and p is below {LEVEL}"
    )
    return GateLine("served", "priors", gate.kind, text, not worse.holds)


def _against(difference: float) -> str:
    return f"{abs(difference):.4f} {'higher' if difference > 0 else 'lower'}"


def _line(gate: Gate, details: LevelDetails, pinned: Mapping[str, PinnedLine] | str) -> GateLine:
    name, metric = details.name, gate.metric
    value = _value(details.holdout.ensemble, metric)
    if gate.at_least is not None:
        return _result(gate, name, value, "at least", gate.at_least, value >= gate.at_least)
    if gate.at_most is not None:
        return _result(gate, name, value, "at most", gate.at_most, value <= gate.at_most)
    lower = metric in _LOWER_IS_BETTER
    if gate.beats is not None:
        baseline = details.holdout.baselines.get(gate.beats)
        if baseline is None:
            return GateLine(
                name, metric, gate.kind, f"{name}: {metric} against {gate.beats} skipped, there is none", None
            )
        other = _value(baseline, metric)
        side = "below" if lower else "above"
        holds = value < other if lower else value > other
        return _result(gate, name, value, f"{side} the baseline ({gate.beats})", other, holds)
    return _against_pinned(gate, name, pinned)


def _against_pinned(gate: Gate, name: str, pinned: Mapping[str, PinnedLine] | str) -> GateLine:
    metric = gate.metric
    if isinstance(pinned, str) or name not in pinned:
        text = f"{name}: {metric} skipped, the pinned version does not answer these rows by {name}"
        if name == SERVED:
            text = f"{name}: {metric} skipped, the pinned version answers too few of these rows"
        return GateLine(name, metric, gate.kind, text, None)
    margin, lower = gate.margin_to_pinned or 0.0, metric in _LOWER_IS_BETTER
    mine, theirs = (_value(a.scores, metric) for a in (pinned[name].mine, pinned[name].theirs))
    bound = theirs + margin if lower else theirs - margin
    rows = pinned[name].mine.scores.rows
    words = (
        f"{'at most' if lower else 'at least'} the pinned version's {theirs:.4f} with a margin of {margin}, "
        f"on {counted(rows, 'row')} later than its data:"
    )
    return _result(gate, name, mine, words, bound, mine <= bound if lower else mine >= bound)


def _value(scores: Scores, metric: str) -> float:
    return float(getattr(scores, metric))


def _result(gate: Gate, level: str, value: float, words: str, bound: float, holds: bool) -> GateLine:
    text = f"{level}: {gate.metric} {value:.4f} must be {words} {bound:.4f}"
    return GateLine(level, gate.metric, gate.kind, text, bool(holds))
