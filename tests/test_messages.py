"""What people read: the cause of an error is no value; messages, help and documents use plain words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    p for name in ("runtime", "live", "convert", "train") for p in (ROOT / name / "src").rglob("*.py")
)
DOCUMENTS = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), ROOT / "Makefile"}
    - {ROOT / "CHANGELOG.md"}
)


def caught(tree: ast.Module) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, node


def is_text_of(node: ast.AST, error: str) -> bool:
    """Whether an expression holds the text of an exception: `e`, `e.strerror`, `e.args[0]`, `str(e)`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and is_name(part.value, error):
            return part.attr in ("strerror", "args")
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in ("str", "repr"):
            return any(is_name(a, error) for a in part.args)
        if isinstance(part, ast.FormattedValue) and is_name(part.value, error):
            return True
    return False


def is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def causes_as_values(text: str) -> list[int]:
    """Return the lines where a raised error has the text of another one in its rule or as its value."""
    found = []
    for name, handler in caught(ast.parse(text)):
        for node in ast.walk(handler):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                call = node.exc
                said = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "value")]
                found += [node.lineno for part in said if is_text_of(part, name)]
    return found


OF_THE_VALUE = {
    "runtime/src/gradus_runtime/rows/text_rows.py": "the name that occurs twice is what the exception holds",
}


def test_the_text_of_another_error_is_a_cause_and_no_value() -> None:
    wrong = {p.relative_to(ROOT).as_posix(): causes_as_values(p.read_text("utf-8")) for p in MODULES}
    assert {name: at for name, at in wrong.items() if at and name not in OF_THE_VALUE} == {}


def test_a_cause_as_a_value_is_seen() -> None:
    text = "try:\n    f()\nexcept OSError as e:\n    raise DataError({}) from None\n"
    for said in ('"must open", value=e.strerror', 'f"must open: {e}"', '"must open", value=str(e)'):
        assert causes_as_values(text.format(said)) == [4]
    for said in ('"must open", cause=e.strerror', '"must open", value=path, cause=str(e)'):
        assert causes_as_values(text.format(said)) == []


def words_as_values(text: str) -> list[int]:
    """Return the lines where an error has words of ours as its value: what was found is shown in quotes."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            values = [k.value for k in node.keywords if k.arg == "value"]
            parts = [p for v in values if not isinstance(v, ast.JoinedStr) for p in ast.walk(v)]
            texts = [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)]
            found += [node.lineno for said in texts if " " in said.strip()]
    return found


def test_words_of_ours_are_a_cause_and_no_value() -> None:
    wrong = {p.relative_to(ROOT).as_posix(): words_as_values(p.read_text("utf-8")) for p in MODULES}
    assert {name: at for name, at in wrong.items() if at} == {}


def test_words_as_a_value_are_seen() -> None:
    assert words_as_values('raise DataError("must be text", value="a zero byte")') == [1]
    assert words_as_values('raise DataError("must be text", value=name or "the end")') == [1]
    assert words_as_values('raise DataError("must be text", value=name, cause="a zero byte")') == []


NOT_SAID = {
    r"\banew\b": "again, newly",
    r"\bsomebody\b|\bnobody\b": "say who: a process, a person, a command",
    r"for who wants": "if ... must ...",
    r"takes? hold of": "applies to",
    r"\bthe way of (the|a|one)\b": "path, flow",
    r"\bstor(e)?ys?\b|\bstoreys\b|\bthe house\b": "layer",
    r"\bbut got 'nothing'": "... does not exist",
    r"goes in the next release": "will be removed in the next release",
    r"\bso many (bars|seconds|rows|bytes)\b": "the number of ...",
    r"\bsays? no\b|\bsaid no\b": "fails",
    r"as it were\b": "leave it out",
}
"""What is not said to people, and what is said instead."""


def strings(path: Path) -> str:
    """The literal texts of a module, its docstrings and comments left out."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(str(n.value) for n in texts if id(n) not in docs)


@pytest.mark.parametrize("words", NOT_SAID)
def test_messages_help_and_documents_use_plain_words(words: str) -> None:
    texts = {p: strings(p) for p in MODULES} | {p: p.read_text("utf-8") for p in DOCUMENTS}
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}: say: {NOT_SAID[words]}"
        for path, text in texts.items()
        for match in re.finditer(words, text)
    ]
    assert found == []
