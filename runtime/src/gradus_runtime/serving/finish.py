"""From the probabilities of one row to its decision: policy, reasons, log, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradus_runtime.decision import Decision, new_decision
from gradus_runtime.monitoring.drift_counts import BUFFER_ROWS
from gradus_runtime.policy import HELD, below_threshold
from gradus_runtime.routing.reasons import explain
from gradus_runtime.routing.request import Request
from gradus_runtime.serving.served_version import ServedVersion

__all__ = ["Finish", "Reasons", "finish_for"]


class Reasons:
    """Words reasons; the last ones are remembered, as the next row mostly lacks the same."""

    def __init__(self, serving: ServedVersion) -> None:
        self._serving = serving
        self._remembered: tuple[object, tuple[str, ...]] = (None, ())

    def __call__(
        self,
        request: Request,
        code: int,
        missing: int,
        rejected: int,
        held: str | None,
        text: int,
    ) -> tuple[str, ...]:
        """Return the reasons of a row; arguments as for `explain`."""
        serving = self._serving
        usual = request is serving.default and not rejected and held is None
        key = (code, missing, text, serving.events.count)
        remembered, reasons = self._remembered
        if usual and remembered == key:
            return reasons
        reasons = explain(serving.context(request, None), code, missing, rejected, held, text)
        if usual:
            self._remembered = (key, reasons)
        return reasons


Finish = Callable[..., Decision]


def finish_for(serving: ServedVersion, code: int, reasons: Reasons) -> Finish:
    """Return what makes a decision of probabilities of the level `code`: policy, reasons, log, counts."""
    schema, counts = serving.schema, serving.counts
    classes, name, version = schema.classes, schema.level_names[code], serving.manifest.version
    fallback, rules, sides = serving.manifest.decision.fallback_action, serving.rules, serving.sides
    always = bool(code) or not schema.first_is_in_service

    def finish(
        request: Request,
        label: int,
        confidence: float,
        by_class: Mapping[str, float],
        missing: int,
        rejected: int,
        given: bytes,
        text: int = 0,
    ) -> Decision:
        call = action = classes[label]
        held = None
        threshold = request.threshold
        if threshold is not None:
            if confidence < threshold:
                held = below_threshold(call, confidence, threshold, fallback)
                action = fallback
            elif rules is not None:
                values, cutoff = (*by_class.values(),), request.cutoff
                chosen = rules.choose(values, cutoff)[0]
                if chosen != label:
                    action = fallback if chosen == HELD else classes[chosen]
                    held = rules.explain(values, label, cutoff)
            if sides is not None:
                taken = action == sides.taken
                action = sides.action(given, fallback) if taken else fallback
                if taken and action == fallback:
                    held = sides.unproposed(fallback)
        why: tuple[str, ...] = ()
        if always or missing or held is not None or request.unavailable:
            why = reasons(request, code, missing, rejected, held, text)
        if serving.last != code:
            serving.changes.level(name, why if code else ())
            serving.last = code
        if counts is not None:
            waiting = counts.held
            waiting.append((given, code, label, confidence))
            if len(waiting) >= BUFFER_ROWS:
                counts.settle()
        return new_decision(action, confidence, name, why, by_class, version, call, held)

    return finish
