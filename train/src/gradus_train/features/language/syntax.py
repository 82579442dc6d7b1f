"""The syntax tree of an expression: five kinds of nodes, each with its span of the text."""

from __future__ import annotations

from dataclasses import dataclass

from gradus_train.features.language.source_text import Span

__all__ = ["Call", "Name", "Number", "Operation", "Syntax", "Text"]


@dataclass(frozen=True, slots=True)
class Number:
    """A literal. `whole` says that it was written without a point and an exponent."""

    value: float
    whole: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text, such as "4h"."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A column, a calendar field, a daily series, a term or a feature."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    function: str
    arguments: tuple[Syntax, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator with one or two operands.

    `operator` is one of + - * / < <= > >= == != and or not; "-" with one operand is the negation.
    """

    operator: str
    operands: tuple[Syntax, ...]
    span: Span


Syntax = Number | Text | Name | Call | Operation
