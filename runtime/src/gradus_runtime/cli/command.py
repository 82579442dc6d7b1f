"""What a command of `gradus` is, and how packages add theirs.

An entry point in the group `gradus.commands` has the name of a command and points at a `Command`. The
module that holds it must be light: `run` imports what it needs when it runs, so that `gradus --help` stays
quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gradus_runtime.records import dataclass

__all__ = ["ENTRY_POINT_GROUP", "Command"]

ENTRY_POINT_GROUP = "gradus.commands"


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Attributes:
        name: As typed.
        summary: One line, for `gradus --help`.
        example: A command line that works, for `gradus NAME --help`.
        configure: Adds arguments to the parser. `--json` is there already, as `args.json`.
        run: Does the work and returns an exit code; raises `GradusError` for what goes wrong.
    """

    name: str
    summary: str
    example: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
