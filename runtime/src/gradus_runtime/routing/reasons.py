"""Why a row was served as it was, in words; worded only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gradus_runtime.records import dataclass, replace
from gradus_runtime.routing.guard import Guard
from gradus_runtime.routing.request import Request
from gradus_runtime.routing.schema import Schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Context", "Trace", "explain"]


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for every row of a call.

    Attributes:
        schema: Names, groups and levels.
        request: What the caller asked for.
        blocked: Levels out of service, by index, with the reason.
        halted: Why no level serves at all, as when the artifact is too old; None if they do.
        fallback_action: The action of a row that no level serves.
        guard: What judged the rows; None where nothing did.
    """

    schema: Schema
    request: Request
    blocked: Mapping[int, str]
    halted: str | None
    fallback_action: str
    guard: Guard | None = None


def explain(
    context: Context,
    code: int,
    missing: int,
    rejected: int,
    held: str | None,
    text: int = 0,
) -> tuple[str, ...]:
    """Return the reasons of one row, the best level's first.

    Args:
        context: What holds for the whole call.
        code: Index of the level that served; the number of levels for the fallback.
        missing: Mask of the features without a usable value, before filling.
        rejected: Mask of the levels whose graph gave no valid probabilities for this row.
        held: Why the action is not the most probable class; None where it is.
        text: The first feature whose value is text, as its column + 1; 0 if none is.
    """
    if context.halted is not None:
        return (context.halted,)
    schema, request = context.schema, context.request
    missing_or_unavailable = missing | request.unavailable
    unfilled = missing_or_unavailable & ~request.fillable
    reasons = []
    for i, plan in enumerate(schema.levels[:code]):
        if i < request.first_level:
            continue
        if i > request.last_level:
            if request.level is not None:
                break
            reasons.append(f"{plan.name}: not tried, as min_level is {request.min_level}")
            break
        if unfilled & plan.needed:
            why = schema.explain_missing(i, unfilled & plan.needed, request.unavailable)
            if text and (unfilled & ~request.unavailable & plan.needed) >> (text - 1) & 1:
                why += f" ({schema.names[text - 1]} is text, not a number)"
            reasons.append(why)
        elif rejected >> i & 1:
            reasons.append(f"{plan.name}: gave no valid probabilities for this row")
        elif i in context.blocked:
            reasons.append(f"{plan.name}: out of service: {context.blocked[i]}")
        else:
            reasons.append(f"{plan.name}: was being loaded or tried again")
    if code < len(schema.levels):
        name = schema.levels[code].name
        if name in schema.not_in_service:
            why = f": {schema.not_in_service[name]}" if schema.not_in_service[name] else ""
            asked = request.level is not None
            words = (
                "not in service, but asked for by name"
                if asked
                else "used because no level in service can serve this row"
            )
            reasons.append(f"{name}: {words}{why}")
        learned = unfilled & schema.learned & schema.levels[code].mask
        if learned:
            reasons.append(f"{name}: trained to serve without {schema.some_names(learned)}")
        filled = missing_or_unavailable & request.fillable & schema.levels[code].mask
        if filled:
            reasons.append(f"filled by the caller: {schema.some_names(filled)}")
    if held is not None:
        reasons.append(held)
    return tuple(reasons)


def first_of(mask: int) -> int:
    """Return the column + 1 of the first feature in a mask; 0 if there is none."""
    return (mask & -mask).bit_length()


@dataclass(frozen=True, slots=True)
class Trace:
    """How a batch was served, in 10 bytes a row: enough to say the reasons later.

    Attributes:
        context: What holds for every row.
        codes: uint8 [n], as `explain` takes them.
        missing: uint8 [n, ceil(F / 8)], bit i of a row (little-endian) stands for feature i.
        rejected: uint16 [n], masks of levels; None while no graph misbehaved.
        texts: uint16 [n], as `explain` takes `text`; None if no value is text.
        odd: uint8 [n, ceil(F / 8)], as `missing`: what the guard found; None if it found nothing.
    """

    context: Context
    codes: NDArray[np.uint8]
    missing: NDArray[np.uint8]
    rejected: NDArray[np.uint16] | None
    texts: NDArray[np.uint16] | None = None
    odd: NDArray[np.uint8] | None = None

    def missing_names(self, row: int) -> list[str]:
        """Return the features without a usable value in one row."""
        bits = int.from_bytes(self.missing[row].tobytes(), "little")
        return [name for i, name in enumerate(self.context.schema.names) if bits >> i & 1]

    def reasons(self, row: int, held: str | None) -> tuple[str, ...]:
        """Return the reasons of one row."""
        context = self.context
        missing = int.from_bytes(self.missing[row].tobytes(), "little")
        rejected = 0 if self.rejected is None else int(self.rejected[row])
        text = 0 if self.texts is None else int(self.texts[row])
        odd = 0 if self.odd is None else int.from_bytes(self.odd[row].tobytes(), "little")
        guard = context.guard
        if not odd or guard is None:
            return explain(context, int(self.codes[row]), missing, rejected, held, text)
        if guard.takes_for_missing:
            missing |= odd
            context = replace(context, request=context.request.without_filling(odd))
        why = explain(context, int(self.codes[row]), missing, rejected, held, text)
        return (*why, guard.reason(odd))
