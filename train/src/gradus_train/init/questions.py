"""What a person says about a table, and the questions that are left, asked in one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradus_runtime.errors import UsageError

__all__ = ["InitAnswers", "Question", "ask"]


@dataclass(frozen=True, slots=True)
class InitAnswers:
    """What the command line says; None or empty: find out, or take the default.

    Attributes:
        time: Column of the stamps.
        close: Column of the price that labels are made of.
        label: Column of labels.
        reach: Bars ahead that whoever made the labels looked at.
        horizon: Bars ahead of labels that are made of the price.
        threshold: Of such labels, in units of recent volatility.
        timezone: IANA name of the zone of stamps that carry none.
        features: Columns to take although their name or their gaps speak against it.
        drop: Columns to leave out.
        minimum_rows: Fewer labelled rows are refused.
    """

    time: str | None = None
    close: str | None = None
    label: str | None = None
    reach: int | None = None
    horizon: int | None = None
    threshold: float | None = None
    timezone: str | None = None
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    minimum_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the table does not say: the question, and the option that answers it."""

    text: str
    option: str


def ask(questions: Sequence[Question], command: str, place: str) -> None:
    """Raise one error with all questions, if there are any.

    Args:
        questions: What is missing.
        command: What was typed, to which the answers are added.
        place: How errors name the table.

    Raises:
        UsageError: Something is missing.
    """
    if not questions:
        return
    lines = [f"  {q.text}\n      {q.option}" for q in questions]
    one = len(questions) == 1
    raise UsageError(
        f"{'one answer is' if one else f'{len(questions)} answers are'} missing:\n"
        + "\n".join(lines)
        + f"\nAdd {'it' if one else 'them'} to:  {command}",
        place=place,
    )
