"""A measured figure stands in a section that names the command which makes it, or says that none does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.docs.test_stated_figures import STATED

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    {
        *PROJECT.glob("docs/*.md"),
        *PROJECT.glob("*/README.md"),
        *PROJECT.glob("README*.md"),
        PROJECT / "CONTRIBUTING.md",
    }
)
FIGURE = re.compile(
    r"(?<![\w.])\d[\d,.]*(?: to \d[\d,.]*)? ?"
    r"(?:%|(?:[KMG]i?B|kB|ms|us|ns|s|seconds?|minutes?|hours|times)\b)"
)
COMMAND = re.compile(
    r"python -m [\w.]+|\bmake [a-z][\w-]+|\bgradus [a-z]+ |\bpytest\b"
    r"|benchmarks/\w+\.py|tests/[\w/]+\.(py|mjs)|no command repeats"
)

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "docs/expressions.md": {"complete bars of 4 hours": "what an expression means"},
    "docs/features.md": {"it divides 4 hours": "a rule of the configuration"},
    "docs/labels.md": {
        "# 0.5 %": "a comment on a setting",
        "55.1 %": "arithmetic, which stands there",
    },
    "docs/policy.md": {
        "may be reached by 1 % or 20 %": "an example of what may happen",
        "(2,880 bars are 30 days of 15 minutes)": "arithmetic",
        "20, 10, 5 and 2 %": "how a threshold is chosen: tests/train/test_policy_choice.py",
        "one-sided at 5 %": "how a threshold is chosen: tests/train/test_policy_choice.py",
    },
    "docs/training.md": {
        "at 2.5 %": "the level of a test: tests/train/test_gates.py",
        "p below 0.5 %": "the level of a test: tests/train/test_gates.py",
    },
    "docs/walk.md": {
        "intervals of 95 %": "the definition of a figure",
        "for 5 % of the time": "what an argument of 0.05 means",
    },
}
"""By document: what is no measured figure, and what it is."""


def sections(text: str) -> Iterator[str]:
    yield from re.split(r"(?m)^(?=#+ )", text)


def without_commands(name: str, text: str) -> list[str]:
    """Return lines with a figure in sections that name no command, but for limits and `EXCEPTIONS`."""
    stated = [match.span() for n, sentence, _ in STATED if n == name for match in re.finditer(sentence, text)]
    found, start = [], 0
    for section in sections(text):
        for match in FIGURE.finditer(section):
            at = start + match.start()
            line = text[text.rfind("\n", 0, at) + 1 : text.find("\n", at)]
            is_stated = any(a <= at < b for a, b in stated)
            is_other = any(words in line for words in EXCEPTIONS.get(name, {}))
            if not (COMMAND.search(section) or is_stated or is_other):
                found.append(line)
        start += len(section)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_a_measured_figure_carries_its_command(document: Path) -> None:
    assert without_commands(document.relative_to(PROJECT).as_posix(), document.read_text("utf-8")) == []


def test_a_figure_without_a_command_is_seen() -> None:
    text = (
        "# A\n\nIt takes 12 us.\n\n## B\n\nIt takes 3 MiB in 5 minutes: `make bench`.\n\n## C\n\n30 % less.\n"
    )
    assert without_commands("docs/other.md", text) == ["It takes 12 us.", "30 % less."]


def test_every_exception_is_used() -> None:
    for name, exceptions in EXCEPTIONS.items():
        text = (PROJECT / name).read_text("utf-8")
        assert [words for words in exceptions if words not in text] == []
