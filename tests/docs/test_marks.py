"""What the documents show is run, or says why not; and no document promises an index that has no gradus."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.blocks import DOCUMENTS, PROJECT, blocks

COMMAND = re.compile(r"^    (\$ )?(\S*/)?(gradus|make|pip|python3?|uv|source)\s", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FROM_AN_INDEX = re.compile(r"pip install (?:--\S+ )*['\"]?gradus-(?:runtime|live|convert|train)")
ALL = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("*/README.md")])
SOURCES = sorted(PROJECT.glob("*/src/**/*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def test_the_documents_have_blocks_that_are_run() -> None:
    found = [block for document in DOCUMENTS for block in blocks(document)]
    assert sum(block.reason is None for block in found) > len(found) / 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_a_block_that_is_not_run_has_a_reason(document: Path) -> None:
    for block in blocks(document):
        assert block.reason is None or len(block.reason.split()) >= 3, block.place


@pytest.mark.parametrize("document", ALL, ids=name)
def test_commands_stand_in_fenced_blocks_which_are_run_not_in_indented_ones(document: Path) -> None:
    if document.is_relative_to(PROJECT / "docs" / "decisions"):
        pytest.skip("a note tells what was done")
    match = COMMAND.search(FENCE.sub("", document.read_text("utf-8")))
    assert match is None, match


@pytest.mark.parametrize("path", [*ALL, *SOURCES], ids=name)
def test_nothing_says_that_an_index_has_gradus(path: Path) -> None:
    assert not FROM_AN_INDEX.search(path.read_text("utf-8"))


def test_marks_are_read() -> None:
    text = (
        "```sh\nmake demo\n```\n\n<!-- not run: needs your own pickles -->\n```python\nx = 1\n```\n"
        "<!-- needs the network -->\n```console\npip install x\n```\n```text\nno\n```\n"
    )
    found = blocks(PROJECT / "x.md", text)
    assert [(b.language, b.line, b.reason, b.network) for b in found] == [
        ("sh", 2, None, False),
        ("python", 7, "needs your own pickles", False),
        ("sh", 11, None, True),
    ]
