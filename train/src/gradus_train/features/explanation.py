"""What a feature is: expression, unit, history, availability, and an example on the user's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gradus_runtime.candles import COLUMNS
from gradus_runtime.contracts.feature_order import FeatureOrder
from gradus_runtime.errors import UsageError
from gradus_runtime.wording import counted
from gradus_train.features.compilation import compile_features, resolved
from gradus_train.features.language import CALENDAR
from gradus_train.features.language.parser import parse
from gradus_train.features.language.source_text import Source
from gradus_train.features.language.syntax import Call, Name, Operation, Syntax
from gradus_train.features.settings import FeatureSettings

__all__ = ["Explanation", "explain_feature", "explanation_text"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A feature in words and numbers.

    Attributes:
        name: Of the feature.
        group: That it belongs to.
        definition: In words; may be empty.
        expression: What it is computed by; None where it comes from outside.
        uses: The terms and features that the expression uses, directly or not, with their expressions.
        unit: Of its values.
        inputs: Columns, daily series, "calendar".
        first: Bars since the start of a segment from which on it is there.
        bars: Bars that a tail must have.
        dates: Known dates of its daily series that it depends on.
        example_time: Open of the newest bar of the user's data, ISO 8601 UTC; None without data.
        example: The feature of that bar; None where it is unavailable.
    """

    name: str
    group: str
    definition: str
    expression: str | None
    uses: Mapping[str, str]
    unit: str
    inputs: tuple[str, ...]
    first: int
    bars: int
    dates: int
    example_time: str | None = None
    example: float | None = None

    def with_example(self, newest: tuple[str, float | None]) -> Explanation:
        """Add the newest bar's time and value."""
        return replace(self, example_time=newest[0], example=newest[1])


def explain_feature(order: FeatureOrder, name: str, settings: FeatureSettings, *, place: str) -> Explanation:
    """Explain a feature of an order.

    Args:
        order: The feature order.
        name: Of the feature.
        settings: Length of a bar, and the rest.
        place: The file, as errors show it.

    Raises:
        UsageError: There is no such feature.
        ConfigError: Its expression breaks a rule.
    """
    order = resolved(order)
    found = [f for f in order.features if f.name == name]
    if not found:
        raise UsageError(
            "a feature must be in the feature order",
            place=place,
            value=name,
            hint=f"It has {', '.join(order.names[:5])}, ...",
        )
    feature = found[0]
    if feature.expression is None:
        return Explanation(name, feature.group, feature.definition, None, {}, "unknown", (), 1, 1, 0)
    spec = compile_features(order, settings, first_ms=0, last_ms=0, names=[name], place=place).spec
    made = spec.features[0]
    known = {**order.terms, **order.expressions}
    return Explanation(
        name=name,
        group=feature.group,
        definition=feature.definition,
        expression=feature.expression,
        uses={n: known[n] for n in _uses(name, known, order.daily)},
        unit=made.unit,
        inputs=made.inputs,
        first=made.first,
        bars=made.bars,
        dates=made.dates,
    )


def _uses(name: str, known: Mapping[str, str], daily: Sequence[str]) -> list[str]:
    """The terms and features that an expression uses, in the order of first use; inputs are none."""
    inputs = {*COLUMNS, *CALENDAR, *daily}
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop(0)
        for other in _names(parse(Source(current, known[current]))):
            if other in known and other not in {*found, *inputs, name}:
                found[other] = None
                waiting.append(other)
    return list(found)


def _names(tree: Syntax) -> list[str]:
    match tree:
        case Name(value=name):
            return [name]
        case Operation(operands=parts) | Call(arguments=parts):
            return [name for part in parts for name in _names(part)]
    return []


def explanation_text(told: Explanation) -> str:
    """The explanation for a terminal."""
    lines = [f"{told.name} ({told.group})"]
    if told.definition:
        lines.append(f"  {told.definition}")
    if told.expression is None:
        return "\n".join(
            [*lines, "", "It comes from outside: a column of your table, a key of your mapping."]
        )
    lines += ["", f"  {told.name} = {told.expression}"]
    lines += [f"    {name} = {text}" for name, text in told.uses.items()]
    lines += ["", f"Unit          {told.unit}", f"Inputs        {', '.join(told.inputs)}"]
    history = f"{counted(told.bars, 'bar')}"
    if told.dates:
        history += f", and {counted(told.dates, 'known date')} of the daily series"
    lines.append(f"History       {history}")
    lines.append(f"Availability  {_availability(told)}")
    if told.example_time is not None:
        value = "unavailable" if told.example is None else f"{told.example!r}"
        lines.append(f"Example       {value}, bar of {told.example_time}")
    return "\n".join(lines)


def _availability(told: Explanation) -> str:
    if told.first == told.bars == 1:
        return "from the first bar of a segment on" if not told.dates else "where its daily values are known"
    text = f"from bar {told.first:,} of a segment on"
    if told.bars > told.first:
        text += f"; in a tail that does not show the start, from bar {told.bars:,} on"
    return text + ("; and its daily values known" if told.dates else "")
