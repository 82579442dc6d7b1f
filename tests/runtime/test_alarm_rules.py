"""Rules of the runtime's source that keep the exceptions of signal handlers from being lost.

An alarm may raise in any line. What catches errors of a line looks first whether a signal handler raised it;
what answers "no" to every error, as `Path.exists` does, is not used where a bot's step passes.
"""

from __future__ import annotations

import ast
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

import gradus_runtime
from gradus_runtime.store import disk

ROOT = Path(gradus_runtime.__file__).parent
NO_STEP_OF_A_BOT = {
    *("cli", "contracts/default_files.py", "contracts/schemas.py", "sessions/memory.py", "store/backup.py")
}
"""Commands, and what runs for them or at import alone."""
MODULES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if not {path.relative_to(ROOT).parts[0], path.relative_to(ROOT).as_posix()} & NO_STEP_OF_A_BOT
)

WIDE = {
    *("BaseException", "Exception", "ArithmeticError", "AttributeError", "LookupError", "IndexError"),
    *("MemoryError", "OSError", "RuntimeError", "RecursionError", "TimeoutError", "TypeError", "ValueError"),
    *("GradusError", "FAULTS", "FAILURES"),
}
"""What an alarm may raise, or what gradus makes of it."""

ANSWERS_NO = {"exists", "is_dir", "is_file", "is_symlink", "is_mount", "isdir", "isfile", "islink", "lexists"}
OF_THIS_PROJECT = {"disk"}
CALLS_IT_ITSELF = {"slot.fail", "self.fail"}
"""Functions that call `let_signals_through` before anything else."""
RAISED_LATER = {"sessions/level_session.py: work"}
"""Handlers whose errors another line raises, unchanged."""


def names_in(kind: ast.expr | None) -> set[str]:
    if kind is None:
        return {"BaseException"}
    parts = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return {ast.unparse(part).rsplit(".", 1)[-1] for part in parts}


def lets_through(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises in the end, or asks about signals before anything else."""
    first, last = handler.body[0], handler.body[-1]
    if isinstance(last, ast.Raise):
        return True
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Call):
        called = ast.unparse(first.value.func)
        return called == "let_signals_through" or called in CALLS_IT_ITSELF
    return False


def broken(tree: ast.Module, place: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and f"{place}: {node.name}" in RAISED_LATER:
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and names_in(node.type) & WIDE and not lets_through(node):
            yield f"{place}:{node.lineno}: begin the handler with let_signals_through"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, of = node.func.attr, ast.unparse(node.func.value)
            if name in ANSWERS_NO and of not in OF_THIS_PROJECT:
                yield f"{place}:{node.lineno}: use store.disk instead of {name}, which hides an alarm"
        if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] == "suppress":
            yield f"{place}:{node.lineno}: use try and let_signals_through instead of suppress"


def test_no_line_of_the_runtime_loses_an_alarm() -> None:
    found = [
        line
        for path in MODULES
        for line in broken(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix())
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    f()\nexcept OSError:\n    pass",
        "try:\n    f()\nexcept (KeyError, ValueError) as e:\n    g(e)",
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept errors.GradusError as e:\n    g()\n    let_signals_through(e)",
        "path.exists()",
        "os.path.isdir(x)",
        "with contextlib.suppress(OSError):\n    f()",
    ],
)
def test_the_rule_sees_what_loses_an_alarm(code: str) -> None:
    assert list(broken(ast.parse(code), "planted.py"))


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, NotADirectoryError, OSError])
@pytest.mark.parametrize("ask", [disk.exists, disk.is_folder, disk.is_file])
def test_an_alarm_while_a_path_is_looked_at_comes_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[Exception], ask: Callable[[Path], bool]
) -> None:
    def late(number: int, frame: FrameType | None) -> None:
        raise kind("the bar is over")

    def stat(path: Path) -> None:
        assert path == tmp_path
        signal.raise_signal(signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, late)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "stat", stat)
            with pytest.raises(kind, match="the bar is over"):
                ask(tmp_path)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_is_there_is_told_from_what_is_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    asked = {
        path: (disk.exists(path), disk.is_folder(path), disk.is_file(path))
        for path in (tmp_path, file, file / "below", tmp_path / "link", tmp_path / "loop", Path("a\0b"))
    }
    nothing = (False, False, False)
    assert list(asked.values()) == [(True, True, False), (True, False, True), *[nothing] * 4]
    assert not disk.exists(tmp_path / ("x" * 300))
