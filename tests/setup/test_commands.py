"""The commands of all packages: which package brings which, what is said of an unknown one, and versions."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from gradus_runtime.cli import main
from gradus_runtime.cli import packages as listed

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


def test_a_command_like_no_other_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy", "--json"]) == 2
    captured = capsys.readouterr()
    assert "Choose from backup, compact, compile, convert, d" in captured.err
    assert json.loads(captured.out)["error"] == "UsageError"


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
