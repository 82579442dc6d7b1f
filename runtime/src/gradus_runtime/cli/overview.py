"""What `gradus --help` shows: the commands by what they are for, without old names."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from gradus_runtime.cli.command import Command

__all__ = ["GROUPS", "OLD_NAMES", "overview"]

GROUPS = {
    "train and convert": (
        *("init", "simulate", "features", "train", "tune", "report", "walk"),
        *("convert", "import", "compile"),
    ),
    "keep versions in a store": (
        *("list", "history", "pin", "rollback", "publish", "export", "wheel"),
        *("backup", "restore", "gc"),
    ),
    "serve": ("decide", "predict", "info"),
    "watch": ("health", "watch", "metrics", "outcomes", "live", "replay"),
    "check": ("validate", "verify", "diff"),
}
"""The commands of all packages, in the order in which they are needed."""
OLD_NAMES = {"compact": "compile", "import-bundle": "publish"}
"""Commands that go by another name today, with that name: they work, and are not shown."""

_DOCUMENTATION = "Documentation: README.md and docs/index.md in the repository of gradus."
_CODES = "Exit codes: 0 done, 1 a check failed, 2 usage error, 3 system error."
_NAMES = 12


def overview(commands: Mapping[str, Command], width: int) -> str:
    """Return the commands that are installed, by group; those of other packages come last.

    Args:
        commands: By name.
        width: Of a line.
    """
    grouped = {name for names in GROUPS.values() for name in names}
    others = tuple(name for name in commands if name not in grouped and name not in OLD_NAMES)
    lines = []
    for title, names in (*GROUPS.items(), ("of other packages", others)):
        there = [commands[name] for name in names if name in commands]
        if there:
            lines += [f"{title}:", *(_line(command, width) for command in there), ""]
    return "\n".join([*lines, *textwrap.wrap(_CODES, width), *textwrap.wrap(_DOCUMENTATION, width)])


def _line(command: Command, width: int) -> str:
    before = f"  {command.name:<{_NAMES}}"
    return textwrap.fill(command.summary, width, initial_indent=before, subsequent_indent=" " * len(before))
