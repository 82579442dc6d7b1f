"""Replay small artifacts on several versions of onnxruntime, each in a throwaway environment.

    python -m tests.matrix.run                      # `make matrix`
    python -m tests.matrix.run 1.22.1 1.27.0        # these versions

Where `make kernels` has installed the native kernel, the shared vectors are replayed by it, too.
Ends with 1 where a version that the runtime allows gives a wrong answer or none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from tests.matrix.cases import write

from gradus_convert.graphs import NEEDS_ONNXRUNTIME
from gradus_runtime.sessions.kernels import find_kernel

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = (
    "1.20.1",
    "1.21.1",
    "1.22.1",
    "1.23.2",
    "1.24.4",
    "1.25.1",
    "1.26.0",
    "1.27.0",
    "1.28.0",
    "1.29.0",
    "1.30.0",
    "1.31.1",
    "1.32.0",
)
TOLERANCE = 1e-6


def allowed(version: str) -> bool:
    """Return whether the runtime's requirement admits a version of onnxruntime."""
    import tomllib

    project = tomllib.loads((ROOT / "runtime" / "pyproject.toml").read_text())["project"]
    wanted = [r for r in map(Requirement, project["dependencies"]) if r.name == "onnxruntime"]
    return version in wanted[0].specifier


def replay(version: str, cases: Path, python: str) -> dict[str, Any]:
    """Install a version into an environment of its own and score the cases there."""
    with tempfile.TemporaryDirectory(prefix="gradus-matrix-") as folder:
        interpreter = Path(folder) / "bin" / "python"
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", "--python", python, "--clear", folder], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(interpreter), f"onnxruntime=={version}"]
        subprocess.run([*install, "numpy<2.3" if version < "1.21" else "numpy"], check=True)
        golden = [str(p) for p in sorted((ROOT / "tests" / "golden").glob("*/*")) if p.is_dir()]
        script = ROOT / "tests" / "matrix" / "replay.py"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "runtime" / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [str(interpreter), str(script), str(cases), *golden]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        result: dict[str, Any] = json.loads(done.stdout)
        vectors = [str(interpreter), str(ROOT / "tests" / "vectors" / "replay.py")]
        said = subprocess.run(vectors, check=False, capture_output=True, text=True, env=environment)
        result["vectors"] = json.loads(said.stdout) if said.stdout else {"error": said.stderr[-200:]}
        if (kernel := find_kernel()) is not None:
            vectors += ["--kernel", kernel.path]
            said = subprocess.run(vectors, check=False, capture_output=True, text=True, env=environment)
            result["kernel"] = json.loads(said.stdout) if said.stdout else {"error": said.stderr[-200:]}
        return result


def failures(version: str, result: dict[str, Any]) -> list[str]:
    """Name what went wrong on a version, apart from the encodings that ask for a newer one."""
    found = []
    for name, case in (result["cases"] | result["golden"]).items():
        if _too_old(version, name):
            continue
        if "error" in case:
            found.append(f"{name}: {case['error']}")
        elif case["difference"] > TOLERANCE:
            found.append(f"{name}: off by {case['difference']:.1e}")
    for name in ("vectors", "kernel"):
        replayed = result.get(name, {"different": 0})
        if replayed.get("different") != 0:
            found.append(f"{name}: {replayed.get('error') or str(replayed['different']) + ' bits differ'}")
    return found


def _too_old(version: str, name: str) -> bool:
    return name in NEEDS_ONNXRUNTIME and _key(version) < _key(NEEDS_ONNXRUNTIME[name])


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(p) for p in version.split("."))


def main() -> int:
    """Run the matrix and print a line a version."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION")
    parser.add_argument("--python", default="3.11", help="interpreter of the environments (default 3.11)")
    arguments = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="gradus-cases-") as folder:
        names = write(Path(folder))
        print(f"{len(names)} graphs: {', '.join(names)}; the artifacts of tests/golden and the vectors")
        for version in arguments.versions:
            result = replay(version, Path(folder), arguments.python)
            wrong = failures(version, result)
            state = "ok" if not wrong else "WRONG"
            if wrong and not allowed(version):
                state = "known bad, not allowed by the runtime"
            elif not allowed(version):
                state += " (not allowed by the runtime)"
            absent = [name for name in result["cases"] if _too_old(version, name)]
            state += f" (without {', '.join(absent)})" if absent else ""
            for name in ("vectors", "kernel"):
                replayed = result.get(name, {})
                state += (
                    f"; {name}: {replayed.get('compared', 0):,} numbers, {replayed.get('different')} differ"
                )
            bad += bool(wrong) and allowed(version)
            print(f"onnxruntime {version:8} {state}", *wrong, sep="\n    " if wrong else " ", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
