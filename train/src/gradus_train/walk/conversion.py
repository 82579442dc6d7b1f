"""Conversion of a run, by the command `gradus convert` in a process of its own.

Training and conversion meet in the run folder and never import each other; the walk keeps to that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradus_runtime.errors import EnvironmentFailedError, ExitCode
from gradus_runtime.store.layout import VERSIONS

__all__ = ["Converted", "convert", "prove"]

_COMMAND = "import sys; from gradus_runtime.cli import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted run: its version and the digest of its manifest; or why there is none, as a sentence."""

    version: str | None
    digest: str | None
    problem: str | None


def convert(run: Path, store: Path, artifact: Path, version: str, *, quick: bool = False) -> Converted:
    """Compile, prove and publish a run, whatever its gates said.

    Args:
        run: The run folder.
        store: The store.
        artifact: `artifact.toml`.
        version: The version to publish; where the store has it with other bytes, `.post1` and so on.
        quick: Leave the thresholds of the trees out of the proof.

    Raises:
        EnvironmentFailedError: gradus-convert is not installed, or the process failed.
    """
    number = 0
    while True:
        name = f"{version}.post{number}" if number else version
        code, value, said = _run(run, store, artifact, name, "--quick-proof" if quick else "")
        if code == ExitCode.DONE and "digest" in value:
            return Converted(name, str(value["digest"]), None)
        if code == ExitCode.CHECK_FAILED and "message" in value:
            return Converted(None, None, str(value["message"]))
        if value.get("error") != "StoreError" or not (store / VERSIONS / name).is_dir():
            raise _failed(run, code, value, said)
        number += 1


def _failed(run: Path, code: int, value: dict[str, Any], said: str) -> EnvironmentFailedError:
    return EnvironmentFailedError(
        "a run must be convertible",
        place=str(run),
        cause=str(value.get("message") or said or f"exit code {code}"),
        hint=None if value else "The walk converts by `gradus convert`: install gradus-convert, too.",
    )


def prove(run: Path, store: Path, artifact: Path, version: str) -> str | None:
    """Prove a run on every threshold, publishing nothing; return why it cannot be, as a sentence, or None.

    Args:
        run: The run folder.
        store: The store, which names the artifact.
        artifact: `artifact.toml`.
        version: Any version.

    Raises:
        EnvironmentFailedError: As `convert`.
    """
    code, value, said = _run(run, store, artifact, version, "--dry-run")
    if code == ExitCode.DONE and "digest" in value:
        return None
    if code == ExitCode.CHECK_FAILED and "message" in value:
        return str(value["message"])
    raise _failed(run, code, value, said)


def _run(
    run: Path, store: Path, artifact: Path, version: str, option: str
) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, what was printed as JSON, and the end of standard error."""
    words = ["convert", "--run", str(run), "--store", str(store), "--config", str(artifact)]
    words += ["--version", version, "--no-gate", "--no-third-opinion", "--actor", "gradus walk", "--json"]
    words += [option] if option else []
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        value = json.loads(done.stdout)
    except ValueError:
        value = {}
    return done.returncode, value if isinstance(value, dict) else {}, done.stderr.strip()[-500:]
