"""Every shell and Python block of README.md and docs/*.md works, as written, in a clone after `make demo`.

Each document has a copy of the project of its own. Its blocks run in order: shell blocks keep what they
export, Python blocks share their names. `make docs` runs this.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.blocks import DOCUMENTS, PROJECT, Block, blocks
from tests.support.projects import base_interpreter, copy_project, link_environment

pytestmark = pytest.mark.long

LEFT_BY_THE_DEMO = ("data/demo", "runs/demo", "artifacts/demo")
SECONDS = 300
SHELL = """
set -eu -o pipefail
[ ! -f "$BLOCK_STATE" ] || source "$BLOCK_STATE"
unset BASH_ENV
{body}
export -p > "$BLOCK_STATE"
"""
SESSION = """
import json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    place, body = json.loads(line)
    try:
        exec(compile(body, place, "exec"), names)
        answer = None
    except BaseException:
        answer = traceback.format_exc()
    print("\\0" + json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What version control would give, with an environment of its own: blocks may install into it."""
    folder = tmp_path_factory.mktemp("template") / "gradus"
    copy_project(folder)
    link_environment(folder, base_interpreter())
    (folder / ".venv" / ".ready").touch()
    return folder


def clone(template: Path, folder: Path) -> Path:
    """Copy the template, and what `make demo` left; the copies share the template's environment."""
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".venv"), dirs_exist_ok=True)
    for name in LEFT_BY_THE_DEMO:
        assert (PROJECT / name).is_dir(), f"{name} is missing: run `make demo` first"
        shutil.copytree(PROJECT / name, folder / name, symlinks=True, dirs_exist_ok=True)
    (folder / ".venv").symlink_to(template / ".venv")
    return folder


class Reader:
    """Someone who runs the blocks of one document, one after the other."""

    def __init__(self, project: Path, scratch: Path) -> None:
        self._project = project
        self._state = scratch / "exported.sh"
        self._python: subprocess.Popen[str] | None = None
        self._errors = scratch / "python.txt"

    def run(self, block: Block) -> None:
        if block.language == "sh":
            self._shell(block)
        else:
            self._session(block)

    def _shell(self, block: Block) -> None:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("COV_", "COVERAGE_", "PYTEST_"))},
            "BLOCK_STATE": str(self._state),
            "PATH": os.pathsep.join([str(self._project / ".venv" / "bin"), os.environ["PATH"]]),
        }
        body = "".join(line.removeprefix("$ ") for line in block.body.splitlines(keepends=True))
        script = ["bash", "-c", SHELL.replace("{body}", body)]
        done = subprocess.run(
            script,
            cwd=self._project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, (
            f"{block.place} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )

    def _session(self, block: Block) -> None:
        if self._python is None:
            with self._errors.open("w") as errors:
                self._python = subprocess.Popen(
                    [str(self._project / ".venv" / "bin" / "python"), "-c", SESSION],
                    cwd=self._project,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps([block.place, block.body]) + "\n")
        self._python.stdin.flush()
        for line in self._python.stdout:
            if line.startswith("\0"):
                failure = json.loads(line[1:])
                assert failure is None, f"{block.place}:\n{failure}"
                return
        pytest.fail(f"{block.place} ended Python:\n{self._errors.read_text()}")

    def close(self) -> None:
        if self._python is not None:
            self._python.communicate(timeout=SECONDS)


@pytest.fixture
def reader(template: Path, tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "gradus").mkdir()
    reader = Reader(clone(template, tmp_path / "gradus"), tmp_path)
    yield reader
    reader.close()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(PROJECT)))
def test_its_blocks_work_as_written(document: Path, reader: Reader) -> None:
    found = blocks(document)
    if all(block.reason for block in found):
        pytest.skip("no block to run")
    for block in found:
        if block.reason is None and not (block.network and os.environ.get("GRADUS_OFFLINE")):
            print("running", block.place, flush=True)
            reader.run(block)
