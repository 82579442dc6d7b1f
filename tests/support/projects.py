"""Copies of the project as version control would give it, with environments that share packages."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["PROJECT", "base_interpreter", "copy_project", "link_environment", "versioned_files"]

PROJECT = Path(__file__).resolve().parents[2]


def versioned_files() -> list[str]:
    """Return every file that is, or would be, under version control, relative to the project."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def copy_project(folder: Path) -> None:
    """Copy every file that is, or would be, under version control, with its time of change."""
    for name in versioned_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, folder / name)


def base_interpreter(prefix: Path | None = None) -> Path:
    """Return this Python outside any environment; `python3` may be another one, or be absent, as on Debian.

    Args:
        prefix: Where its installation lies; by default where it was installed.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return (prefix or Path(sys.base_prefix)) / "bin" / name


def link_environment(folder: Path, python: Path, packages: Path | None = None) -> Path:
    """Make `.venv` in a copy of the project: the packages of the project from the copy, the rest shared.

    Args:
        folder: The copy.
        python: An interpreter outside any environment.
        packages: The site-packages to share; by default those of this environment.

    Returns:
        Its interpreter.
    """
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    (site,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    shared = packages or Path(sysconfig.get_path("purelib"))
    (site / "shared.pth").write_text(f"{shared}\n", "utf-8")
    interpreter = folder / ".venv" / "bin" / "python"
    folders = sorted(str(p.parent) for p in folder.glob("*/pyproject.toml"))
    editable = [word for name in folders for word in ("-e", name)]
    words = [
        str(interpreter),
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*words, "--ignore-installed", *editable], check=True)
    installer = runpy.run_path(str(PROJECT / "requirements" / "install.py"))
    installer["name_relatively"](site)
    return interpreter
