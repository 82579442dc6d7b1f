"""Counts and their words."""

import doctest
import re
from pathlib import Path

import pytest

from gradus_runtime import wording
from gradus_runtime.wording import plural

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("runtime", "convert", "train", "live")


@pytest.mark.parametrize(
    ("count", "word"), [(0, "rows"), (1, "row"), (1.0, "row"), (1.5, "rows"), (2, "rows")]
)
def test_one_is_one_and_all_else_is_many(count: float, word: str) -> None:
    assert plural(count, "row") == word


def test_a_word_may_have_its_own_plural() -> None:
    assert [plural(n, "leaf", "leaves") for n in (1, 2)] == ["leaf", "leaves"]


def test_the_examples_hold() -> None:
    assert doctest.testmod(wording).failed == 0


def written_both_ways(text: str) -> list[str]:
    return [
        found.group()
        for found in re.finditer(
            r"(?<=[ }])[a-z]+\(s\)(?=[ ,.;:\"'])|\{\{ \"s\" if|'s' if [^}]* else ''", text
        )
    ]


def test_no_message_leaves_the_plural_to_its_reader_or_makes_it_by_itself() -> None:
    files = [p for name in PACKAGES for end in ("*.py", "*.j2") for p in (ROOT / name / "src").rglob(end)]
    assert len(files) > 300
    assert {p.name: found for p in files if (found := written_both_ways(p.read_text("utf-8")))} == {}


def test_such_a_text_is_found() -> None:
    assert written_both_ways('f"{n} tie(s)"') == ["tie(s)"]
    assert written_both_ways('{{ n }} level{{ "s" if n > 1 }}') == ['{{ "s" if']
    assert written_both_ways("f\"{n} bar{'s' if n > 1 else ''}\"") == ["'s' if n > 1 else ''"]
