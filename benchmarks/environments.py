"""The environments that peers serve from: throwaway ones for the runtime and for peers, and the workspace."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["EnvironmentAbsentError", "installed_mib", "python_of"]

ROOT = Path(__file__).resolve().parents[1]
_PINS = ROOT / "requirements"
_WHEELS = ROOT / "kernels" / "dist"


class EnvironmentAbsentError(Exception):
    """An environment could not be installed; the message is the installer's last words."""


def python_of(name: str, cache: Path) -> Path:
    """Return the interpreter of an environment, installing it if it is missing or not the pinned one.

    Args:
        name: "workspace" (this interpreter), "runtime" (the runtime and what it requires, as built today),
            "kernels" (the same, and the kernel that `make kernels` built), or "peers"
            (`requirements/bench.txt`).
        cache: Where environments are kept.

    Raises:
        EnvironmentAbsentError: The installer failed.
    """
    if name == "workspace":
        return Path(sys.executable)
    folder = cache / "environments" / name
    python = folder / "bin" / "python"
    pins = _PINS / ("bench.txt" if name == "peers" else "dev.txt")
    want = hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = folder / "pins.sha256"
    if not stamp.exists() or stamp.read_text() != want:
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(folder))
        if name == "peers":
            _install(python, "--require-hashes", "-r", str(pins))
        else:
            _install(python, *_pinned(pins, ("numpy", "onnxruntime")))
        stamp.write_text(want)
    if name in ("runtime", "kernels"):
        _install(python, "--reinstall-package", "gradus-runtime", str(ROOT / "runtime"))
    if name == "kernels":
        if not [*_WHEELS.glob("*.whl")]:
            raise EnvironmentAbsentError("the kernel is not built: make kernels")
        kernel = ("--reinstall", "--no-deps", "--no-index", "--find-links", str(_WHEELS), "gradus-kernels")
        _install(python, *kernel)
    return python


def _pinned(pins: Path, names: tuple[str, ...]) -> list[str]:
    """Return the requirement lines of some distributions, without their hashes."""
    lines = [line.rstrip("\\ \n") for line in pins.read_text().splitlines()]
    return [line for line in lines if line.partition("==")[0] in names]


def _install(python: Path, *words: str) -> None:
    """Install with byte code, as pip does, so that no peer's start is spent on compiling."""
    _uv("pip", "install", "--compile-bytecode", "--python", str(python), *words)


def _uv(*words: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([str(uv), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentAbsentError(" ".join(done.stderr.split())[-300:])


_CLOSURE = """
import importlib.metadata as metadata, json, re, sys
seen, todo, total = {}, sys.argv[1:], 0
while todo:
    name = re.sub("[-_.]+", "-", todo.pop()).lower()
    if name in seen:
        continue
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        continue
    paths = {f.locate() for f in found.files or () if not str(f).endswith(".pyc")}
    seen[name] = sum(p.stat().st_size for p in paths if p.is_file())
    todo += [re.match(r"[A-Za-z0-9._-]+", r)[0] for r in found.requires or () if "extra ==" not in r]
json.dump(seen, sys.stdout)
"""


def installed_mib(python: Path, needs: tuple[str, ...]) -> float:
    """Return the size of some distributions and all that they require, in MiB, without byte code.

    A requirement that is not installed (another platform's) counts nothing.
    """
    words = [str(python), "-c", _CLOSURE, *needs]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    sizes: dict[str, int] = json.loads(done.stdout)
    return sum(sizes.values()) / (1 << 20)
