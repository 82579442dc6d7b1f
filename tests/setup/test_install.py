"""`requirements/install.py` says a line a step, logs the rest, and shows the end of the log on failure."""

from __future__ import annotations

import base64
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def wheel(folder: Path) -> str:
    """Write a wheel of one module and return its digest."""
    files = {
        "tiny_part.py": "ANSWER = 42\n",
        "tiny_part-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.0\n",
        "tiny_part-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        f"{len(text)}\n"
        for name, text in files.items()
    )
    files["tiny_part-1.0.dist-info/RECORD"] = record + "tiny_part-1.0.dist-info/RECORD,,\n"
    path = folder / "tiny_part-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository without packages, whose lock pins one wheel of a folder."""
    (tmp_path / "requirements").mkdir()
    shutil.copy(PROJECT / "requirements" / "install.py", tmp_path / "requirements")
    (tmp_path / "wheels").mkdir()
    digest = wheel(tmp_path / "wheels")
    (tmp_path / "requirements" / "demo.txt").write_text(f"tiny-part==1.0 \\\n    --hash=sha256:{digest}\n")
    return tmp_path


def install(project: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PIP_")},
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (project / "wheels").as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
    }
    words = [sys.executable, "requirements/install.py", "demo", *more]
    return subprocess.run(
        words, cwd=project, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_a_set_up_says_a_line_a_step_and_logs_the_rest(project: Path) -> None:
    done = install(project)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["Creating", "Installing", "Ready"]
    assert "Successfully installed tiny-part-1.0" in (project / ".venv" / "setup.log").read_text()
    words = [str(project / ".venv" / "bin" / "python"), "-c", "import tiny_part; print(tiny_part.ANSWER)"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "42\n"


def test_a_file_with_another_digest_stops_it_with_the_end_of_the_log(project: Path) -> None:
    lock = project / "requirements" / "demo.txt"
    text = lock.read_text().rstrip()
    lock.write_text(text[:-1] + ("1" if text.endswith("0") else "0") + "\n")
    done = install(project)
    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert "Set-up failed:" in done.stderr
    assert done.stderr.rstrip().endswith("The whole log: .venv/setup.log")
    assert "Ready" not in done.stdout


@pytest.mark.parametrize("has_pip", [True, False])
def test_pip_goes_on_where_uv_fails(has_pip: bool, project: Path) -> None:
    uv = project / "uv"
    uv.write_text("#!/bin/sh\necho 'error: invalid peer certificate' >&2\nexit 2\n")
    uv.chmod(0o755)
    if not has_pip:  # an environment that uv made
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=project, check=True)
    done = install(project, "--uv", str(uv))
    assert done.returncode == 0, done.stderr
    assert "invalid peer certificate\nuv failed (" in done.stdout
    assert "Successfully installed tiny-part-1.0" in (project / ".venv" / "setup.log").read_text()


def test_packages_installed_in_place_are_named_in_ascii_wherever_the_clone_is(tmp_path: Path) -> None:
    site = tmp_path / "grädus 木" / ".venv" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    source = tmp_path / "grädus 木" / "runtime" / "src"
    (site / "_gradus_runtime.pth").write_text(f"{source}\n", "utf-8")
    runpy.run_path(str(PROJECT / "requirements" / "install.py"))["name_relatively"](site)
    (line,) = (site / "_gradus_runtime.pth").read_text("ascii").splitlines()
    assert Path(os.path.normpath(site / line)) == source


@pytest.mark.parametrize(
    ("line", "progress"), [("Collecting tiny-part", "  1 of 3\n"), ("Downloading tiny-part", "  0 s\n")]
)
def test_progress_is_a_count_where_the_installer_names_what_it_takes_and_else_the_time(
    line: str, progress: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = runpy.run_path(str(PROJECT / "requirements" / "install.py"))
    run = names["Installer"]._run
    run.__globals__["SECONDS_BETWEEN_LINES"] = -1.0
    run(names["Installer"](tmp_path, ""), [sys.executable, "-c", f"print('{line}')"], 3)
    assert capsys.readouterr().out == progress
