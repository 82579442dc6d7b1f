"""The door of the command line: finds the commands, parses, runs one, maps errors to exit codes."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from gradus_runtime.cli import overview, packages
from gradus_runtime.cli.command import ENTRY_POINT_GROUP, Command
from gradus_runtime.errors import ExitCode, GradusError

__all__ = ["main"]


_OWN = (
    "predict",
    "decide",
    "info",
    "health",
    "list",
    "verify",
    "pin",
    "rollback",
    "history",
    "backup",
    "restore",
    "replay",
)  # each a module beside this one, with its COMMAND


_EXAMPLE = "example:\n"


class _Help(argparse.HelpFormatter):
    """Breaks lines as usual, but not of what has lines already, as an example to be copied. Says defaults."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        optional = bool(action.option_strings) or action.nargs in (argparse.OPTIONAL, argparse.ZERO_OR_MORE)
        says = "default" in text or isinstance(default, bool) or default in (None, [], (), argparse.SUPPRESS)
        return text if says or not optional else f"{text} (default: %(default)s)"


def _own_command(name: str) -> Command:
    command: Command = import_module(f"gradus_runtime.cli.{name}").COMMAND
    return command


def _find_commands(only: str | None) -> dict[str, Command]:
    if only in _OWN:
        return {only: _own_command(only)}
    commands = {name: _own_command(name) for name in _OWN}
    added: Sequence[EntryPoint] = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda e: e.name)
    for entry in added:
        if only is None or entry.name == only:
            commands[entry.name] = entry.load()
    return commands


def _parser(commands: dict[str, Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradus",
        description="Compiles tree ensembles to portable artifacts, versions them, and serves them. "
        "`gradus COMMAND --help` has the options of a command, and an example.",
        epilog=overview.overview(commands, shutil.get_terminal_size().columns - 2),
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="store_true", help="print the versions of what is installed")
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, help="one of those below"
    )
    for command in commands.values():
        sub = subparsers.add_parser(
            command.name,  # without help= here, as the list below says what it is
            description=command.summary,
            epilog=f"{_EXAMPLE}  {command.example}",
            formatter_class=_Help,
        )
        sub.add_argument("--json", action="store_true", help="write the result as one JSON value")
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `gradus`.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        An `ExitCode`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if os.name != "posix":
        print(
            f"gradus needs a POSIX system (Linux, macOS, or Windows with WSL), not {os.name}", file=sys.stderr
        )
        return int(ExitCode.ENVIRONMENT)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of classes may be in any script, terminals are not
            stream.reconfigure(errors="backslashreplace")
    if "--version" in arguments[:2] and not {*arguments} - {"--version", "--json"}:
        _print_versions(as_json="--json" in arguments)
        return int(ExitCode.DONE)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    only = arguments[0] if arguments and not arguments[0].startswith("-") else None
    commands = _find_commands(only)
    if only is not None and only not in commands:
        error = packages.unknown_command(
            only, [*_OWN, *(e.name for e in entry_points(group=ENTRY_POINT_GROUP))]
        )
        return _fail(only, error, as_json="--json" in arguments)
    args = _parser(commands).parse_args(arguments)
    try:
        return int(args.run(args))
    except GradusError as e:
        return _fail(args.command, e, as_json=args.json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except KeyboardInterrupt:
        print(f"gradus {args.command}: interrupted", file=sys.stderr)
        return 130


def _fail(command: str, error: GradusError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    print(f"gradus {command}: {error}", file=sys.stderr)
    return int(error.exit_code)


def _print_versions(*, as_json: bool) -> None:
    found = packages.versions()
    if as_json:
        print(json.dumps(found))
        return
    width = max(map(len, found))
    for name, version in found.items():
        print(f"{name:<{width}}  {version}")
