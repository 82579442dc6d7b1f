"""What a table of own features says about itself, and the questions that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradus_live.labels import Column, FixedHorizon
from gradus_runtime.errors import DataError
from gradus_runtime.wording import counted, plural
from gradus_train.data.source import DataSettings
from gradus_train.ingest.candles import most_common_step
from gradus_train.ingest.stamps import to_milliseconds
from gradus_train.ingest.table_file import RawTable
from gradus_train.init.column_roles import Roles, check_named, roles, time_column
from gradus_train.init.labels import label_rule
from gradus_train.init.questions import InitAnswers, Question, ask

__all__ = ["Survey", "survey"]

_FEWEST = 2000


@dataclass(frozen=True, slots=True)
class Survey:
    """All that the configuration is made of.

    Attributes:
        settings: Of `[data]`.
        rule: Of `[labels]`.
        features: Names, in the order of the file.
        sometimes: Those that are missing now and then: a level of its own serves rows without them.
        left_out: Columns that are no features, and why.
    """

    settings: DataSettings
    rule: Column | FixedHorizon
    features: tuple[str, ...]
    sometimes: tuple[str, ...]
    left_out: Mapping[str, str]


def survey(table: RawTable, answers: InitAnswers, command: str) -> Survey:
    """Look at a table, and ask for all that is missing in one message.

    Args:
        table: Has a row a bar, rising in time.
        answers: What a person said.
        command: What was typed, for that message.

    Raises:
        UsageError: Something is missing, or a column that was named is.
        DataError: The table cannot be used.
        ConfigError: An answer breaks a rule.
    """
    check_named(table, answers)
    time = time_column(table, answers)
    if isinstance(time, Question):
        ask([time], command, table.name)
        raise AssertionError("a question is always asked")
    questions = []
    zone = _zone(table, time, answers)
    if isinstance(zone, Question):
        questions.append(zone)
    bar_minutes = _bar_minutes(table, time, "UTC" if isinstance(zone, Question) else zone)
    found = roles(table, time, answers)
    questions += found.questions
    rule = label_rule(table, found.label, "close" in found.prices, answers)
    if isinstance(rule, list):
        questions += rule
    least = _FEWEST if answers.minimum_rows is None else answers.minimum_rows
    rows = len(table.frame)
    if rows < least:
        text = f"{counted(rows, 'row is', 'rows are')} there; fewer than {least:,} say little. "
        text += "To train all the same:"
        questions.append(Question(text, f"--minimum-rows {len(table.frame) // 2}"))
    ask(questions, command, table.name)
    if isinstance(rule, list) or isinstance(zone, Question):
        raise AssertionError("a question is always asked")
    settings = DataSettings(
        bar_minutes=bar_minutes,
        timezone=zone,
        minimum_rows=least,
        columns=_renamed(time, found),
    )
    return Survey(settings, rule, tuple(found.features), tuple(found.sometimes), found.left_out)


def _zone(table: RawTable, time: str, answers: InitAnswers) -> str | Question | None:
    """Return the zone that the stamps need, None where they carry their own, or the question."""
    if answers.timezone is not None:
        DataSettings(timezone=answers.timezone)  # refuses an unknown one
        to_milliseconds(table, time, answers.timezone)
        return answers.timezone
    try:
        to_milliseconds(table, time, None)
    except DataError:
        to_milliseconds(table, time, "UTC")  # a fault of another kind stays
        text = f"In which time zone are the stamps of the column {time or 'without a name'}? They name none."
        return Question(text, "--timezone UTC, or --timezone Asia/Tokyo and the like")
    return None


def _bar_minutes(table: RawTable, time: str, zone: str | None) -> int:
    stamps = to_milliseconds(table, time, zone)
    raw = table.frame[time]
    step = stamps.diff().fill_null(1)
    hint = "A table holds one market: write each to a file of its own."
    table.refuse_first(step == 0, "a stamp must occur once", raw, hint)
    table.refuse_first(step < 0, "stamps must rise from line to line", raw, "Sort the table by time.")
    if len(stamps) < 2:
        raise DataError("at least 2 rows are needed", place=table.name, value=len(stamps))
    minutes = most_common_step(stamps) / 60_000
    if not minutes.is_integer() or not 1 <= minutes <= 240 or 240 % int(minutes):
        raise DataError(
            "rows must be as far apart as a bar that divides 4 hours",
            place=table.name,
            value=f"{minutes:g} {plural(minutes, 'minute')}",
            hint="1, 5, 15, 30, 60, 240 minutes do, among others.",
        )
    return int(minutes)


def _renamed(time: str, found: Roles) -> dict[str, str]:
    """Return what is called otherwise in the table than here."""
    here = {"timestamp": time, **found.prices, **found.features}
    return {name: column for name, column in here.items() if name != column}
