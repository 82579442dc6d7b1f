"""The blocks of the documents that a reader would run, and those that are marked as not to be run.

A mark is a comment on the line before a block:

    <!-- not run: REASON -->          a reader cannot run it as it stands, and why
    <!-- needs the network -->        left out where GRADUS_OFFLINE is set
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCUMENTS", "PROJECT", "Block", "blocks"]

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("runtime", "convert", "train", "live")
DOCUMENTS = [
    PROJECT / "README.md",
    *(PROJECT / name / "README.md" for name in PACKAGES),
    *sorted((PROJECT / "docs").glob("*.md")),
]
SHELL = ("sh", "bash", "console")
PYTHON = ("python", "py")
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run: (?P<reason>[^\n]*?)|needs the network) -->\n)?"
    r"^```(?P<language>\w+)[^\n]*\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of shell or Python.

    Attributes:
        document: Its file.
        line: Of its first line in the document.
        language: "sh" or "python".
        body: As written.
        reason: Why it is not run; None where it is.
        network: Whether it needs the network.
    """

    document: Path
    line: int
    language: str
    body: str
    reason: str | None
    network: bool

    @property
    def place(self) -> str:
        """Document and line."""
        return f"{self.document.relative_to(PROJECT)}:{self.line}"


def blocks(document: Path, text: str | None = None) -> list[Block]:
    """Return the shell and Python blocks of a document, in order.

    Args:
        document: Its path.
        text: Its text; read from the path if not given.
    """
    text = document.read_text("utf-8") if text is None else text
    found = []
    for match in _BLOCK.finditer(text):
        kind = "sh" if match["language"] in SHELL else "python" if match["language"] in PYTHON else None
        if kind is not None:
            line = text.count("\n", 0, match.start("body")) + 1
            network = match["mark"] == "needs the network"
            found.append(Block(document, line, kind, match["body"], match["reason"], network))
    return found
