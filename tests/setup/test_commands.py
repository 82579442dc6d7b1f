"""The commands of all packages: which package brings which, what is said of an unknown one, and versions."""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from gradus_runtime.cli import main
from gradus_runtime.cli import packages as listed
from gradus_runtime.cli.main import _OWN, _find_commands, _parser
from gradus_runtime.cli.overview import GROUPS, OLD_NAMES

PROJECT = Path(__file__).resolve().parents[2]


def entry_points() -> dict[str, set[str]]:
    found = {}
    for path in PROJECT.glob("*/pyproject.toml"):
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        found[project["name"]] = set(project.get("entry-points", {}).get("gradus.commands", {}))
    return found


def test_the_list_of_commands_is_that_of_the_entry_points() -> None:
    assert {name: set(names) for name, names in listed.COMMANDS_OF.items() if names} == {
        name: names for name, names in entry_points().items() if names
    }


@pytest.mark.parametrize(
    ("typed", "meant"), [("trian", "train"), ("rollbak", "rollback"), ("Predict", "predict"), ("lst", "list")]
)
def test_a_mistyped_command_suggests_the_nearest(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed, "--store", "artifacts/demo"]) == 2
    assert f"got '{typed}'. Did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("serve", "Did you mean decide or predict?"),
        ("fit", "Did you mean train?"),
        ("backtest", "Did you mean walk?"),
        ("import-bundel", "Did you mean publish or import?"),  # never an old name
        ("compakt", "Did you mean compile?"),
    ],
)
def test_what_other_tools_call_a_command_leads_to_ours(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed]) == 2
    assert meant in capsys.readouterr().err


def test_a_command_like_no_other_leads_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err.endswith("got 'xyzzy'. `gradus --help` lists the commands.\n")
    assert json.loads(captured.out)["error"] == "UsageError"


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main([*words])
    return capsys.readouterr().out


def test_help_shows_every_command_once_in_a_group_and_no_old_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    known = {*_OWN, *(name for names in entry_points().values() for name in names)}
    assert sorted(grouped) == sorted(known - {*OLD_NAMES})
    assert known >= {*OLD_NAMES}
    text = help_of(capsys, "--help")
    shown = [line.split()[0] for line in text.splitlines() if re.match(r"  [a-z]\S* {2,}[a-z]", line)]
    assert shown == grouped
    at = [text.index(f"\n{title}:\n") for title in GROUPS]
    assert at == sorted(at)
    assert "docs/index.md" in text
    assert help_of(capsys, "help") == text
    assert help_of(capsys, "help", "pin") == help_of(capsys, "pin", "--help")


def test_help_names_defaults(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for command, told in {
        "train": ["run folder to write (default: runs/current)", "trials, by member and level (default: 50)"],
        "simulate": ["--out", "(default: "],
        "convert": ["encoding of the graphs (default: compact)"],
    }.items():
        text = help_of(capsys, command, "--help")
        for words in told:
            assert words in text
        assert "(default: None)" not in text
        assert "(default: False)" not in text


def test_every_option_with_a_default_says_it() -> None:
    """Of all commands; what is off, empty or absent by default needs no words."""
    parser = _parser(_find_commands(None))
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    told = 0
    for name, command in commands.choices.items():
        formatter = command._get_formatter()
        for action in command._actions:
            if action.help is None or action.help == argparse.SUPPRESS:
                assert action.help == argparse.SUPPRESS, (name, action)
            elif action.default not in (None, False, True, [], (), argparse.SUPPRESS):
                told += 1
                assert "default" in (formatter._get_help_string(action) or ""), (name, action)
    assert told > 10


def test_help_breaks_its_lines_but_never_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["decide", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "  gradus decide --store artifacts/btc-jpy --candles tail.csv --daily macro.csv"
    assert max(map(len, lines[:-1])) <= 60


def test_a_command_of_a_package_that_is_absent_names_the_package() -> None:
    code = (
        "import sys; from importlib import metadata; metadata.entry_points = lambda **_: ();"
        "from gradus_runtime.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    for package, names in listed.COMMANDS_OF.items():
        for name in names:
            words = [sys.executable, "-c", code, name, "--help"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 3
            assert f"gradus {name}: the command is part of {package}, which must be installed" in done.stderr
            assert "pip install ./runtime" in done.stderr
            break


def test_versions_are_those_of_the_installed_packages_onnxruntime_and_python(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import onnxruntime

    assert main(["--version", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["onnxruntime"] == onnxruntime.__version__
    assert value["python"] == platform.python_version()
    for name in entry_points():
        assert value[name] == version(name)
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [[name, text] for name, text in value.items()]
