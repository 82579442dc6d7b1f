"""Systems and terminals that cannot do everything: one line, never a traceback."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.golden import TRIO, variant

from gradus_runtime.contracts.manifest import Manifest

WINDOWS = "import os, sys; os.name = 'nt'; "


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    given = os.environ | environment
    return subprocess.run(
        command, env=given, capture_output=True, check=False, encoding="ascii", errors="surrogateescape"
    )


def test_where_there_is_no_posix_the_import_says_so_in_one_line() -> None:
    done = python(WINDOWS + "from gradus_runtime import Predictor")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: gradus_runtime.Predictor needs a POSIX system")


def test_where_there_is_no_posix_the_command_says_so_in_one_line() -> None:
    start = "from gradus_runtime.cli.main import main; "
    done = python(start + WINDOWS + "sys.exit(main(['list', '--store', 'x']))")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "gradus needs a POSIX system (Linux, macOS, or Windows with WSL), not nt"
    ]


@pytest.mark.parametrize("command", ["info", "predict"])
def test_class_names_that_a_terminal_cannot_encode_are_written_with_escapes(
    tmp_path: Path, command: str
) -> None:
    folder = variant(TRIO, tmp_path / "v", change=japanese)
    rows = tmp_path / "rows.csv"
    rows.write_text("close,volume,rsi,atr\n,2,3,4\n")
    more = ["--input", str(rows)] if command == "predict" else []
    code = "import sys; from gradus_runtime.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = python(code, command, str(folder), *more, PYTHONIOENCODING="ascii")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "\\u4fdd\\u7559" in done.stdout


def japanese(manifest: Manifest) -> Manifest:
    decision = dataclasses.replace(manifest.decision, fallback_action="保留")
    return dataclasses.replace(manifest, classes=("売り", "保留", "買い"), decision=decision)
