"""The native kernel of this machine, as `make kernels` builds it; where it is not built, its tests skip."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from gradus_runtime.sessions.kernels import Kernel, find_kernel

DIST = Path(__file__).resolve().parents[2] / "kernels" / "dist"
PLATFORM = {"linux": "manylinux", "darwin": "macosx", "win32": "win"}[sys.platform]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the built wheel is installed in, and nothing else."""
    import platform

    machine = platform.machine().lower()
    wheels = [w for w in sorted(DIST.glob("*.whl")) if PLATFORM in w.name and machine in w.name]
    if not wheels:
        pytest.skip("the kernel is not built here: make kernels")
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        wheel.extractall(folder)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The kernel, installed for one test."""
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    found = find_kernel()
    assert found is not None
    return found


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel is installed, whatever this environment has."""
    kept = [p for p in sys.path if not [*Path(p or ".").glob("gradus_kernels-*.dist-info")]]
    monkeypatch.setattr(sys, "path", kept)
