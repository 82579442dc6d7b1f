"""The text of one expression, and errors that name a place in it."""

from __future__ import annotations

from dataclasses import dataclass

from gradus_runtime.errors import ConfigError

__all__ = ["Source", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an expression: `start` up to, not including, `end`, counted from 0."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of another."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class Source:
    """An expression as it was written.

    Attributes:
        name: Of the feature or term that it belongs to, as errors show it.
        text: The expression.
    """

    name: str
    text: str

    def fragment(self, span: Span) -> str:
        """The text of a span."""
        return self.text[span.start : span.end]

    def error(self, rule: str, span: Span, hint: str | None = None) -> ConfigError:
        """An error at a span; the caller raises it.

        Args:
            rule: What must hold there.
            span: Where it does not.
            hint: The way out.
        """
        place = f"{self.name}, column {span.start + 1}"
        found = self.fragment(span)
        if not found:
            return ConfigError(rule, place=place, cause="the expression ends here", hint=hint)
        return ConfigError(rule, place=place, value=found, hint=hint)
