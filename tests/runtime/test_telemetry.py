"""onnxruntime's own habits: no file, no thread, no socket; and images that hold next to nothing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from tests.support.golden import TRIO
from tests.support.projects import base_interpreter

from gradus_runtime import telemetry
from gradus_runtime.sessions.library import release_of
from gradus_runtime.telemetry import telemetry_problem

SCRIPT = """
import json, os, sys
where, before_gradus = sys.argv[1], sys.argv[2:]

def names(folder):
    return sorted(os.listdir(folder))

def sockets():
    found = []
    for number in names("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass
    return [link for link in found if link.startswith("socket:") or ".db" in link]

import numpy
start = len(names("/proc/self/task"))
if before_gradus:
    import onnxruntime
from gradus_runtime import Predictor
bot = Predictor.open(where, preload=True)
row = {str(name): 0.5 for name in bot.feature_names_in_}
for _ in range(50):
    bot.decide(row)
bot.predict([row] * 40)
print(json.dumps({
    "threads": len(names("/proc/self/task")) - start,
    "sockets": sockets(),
    "telemetry": bot.health().telemetry,
    "variable": os.environ.get("ORT_DISABLE_TELEMETRY"),
}))
"""

KEPT = {"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR"}
"""What a child keeps of the environment: onnxruntime has no telemetry where a variable says CI."""

HAS_TELEMETRY = release_of() >= (1, 29)


def child(home: Path, *arguments: str, **environment: str) -> tuple[dict[str, object], list[str]]:
    """Serve in a process of its own with a fresh home; return what it says, and the files below the home."""
    home.mkdir()
    given = {k: v for k, v in os.environ.items() if k in KEPT}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(TRIO), *arguments],
        env=given | {"HOME": str(home), "OPENBLAS_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), sorted(p.name for p in home.rglob("*") if p.is_file())


def test_serving_writes_no_file_starts_no_thread_and_opens_no_socket(tmp_path: Path) -> None:
    said, files = child(tmp_path / "home")
    assert files == []
    assert said == {"threads": 0, "sockets": [], "telemetry": None, "variable": "1"}


@pytest.mark.skipif(not HAS_TELEMETRY, reason=f"onnxruntime {onnxruntime.__version__} has no telemetry")
def test_where_onnxruntime_came_first_health_says_that_it_is_too_late(tmp_path: Path) -> None:
    said, files = child(tmp_path / "home", "onnxruntime first")
    assert "import gradus_runtime first, or set ORT_DISABLE_TELEMETRY=1" in str(said["telemetry"])
    assert files, "what the test above looks for is what onnxruntime does"


def test_where_onnxruntime_came_first_and_the_variable_is_set_nothing_is_wrong(tmp_path: Path) -> None:
    said, files = child(tmp_path / "home", "onnxruntime first", ORT_DISABLE_TELEMETRY="1")
    assert (said["telemetry"], files) == (None, [])


def test_what_the_user_chose_stays(tmp_path: Path) -> None:
    said, _ = child(tmp_path / "home", ORT_DISABLE_TELEMETRY="0")
    assert (said["variable"], said["telemetry"]) == ("0", None)


@pytest.mark.parametrize(
    ("release", "came_first", "chosen", "said"),
    [
        ((1, 28, 9), True, False, False),
        ((1, 29, 1), True, False, True),
        ((2, 0), True, False, True),
        ((1, 31, 1), False, False, False),
        ((1, 31, 1), True, True, False),
    ],
)
def test_it_is_too_late_only_where_telemetry_may_be_on(
    release: tuple[int, ...], came_first: bool, chosen: bool, said: bool
) -> None:
    assert (telemetry_problem(release, came_first=came_first, chosen=chosen) is not None) == said


def test_the_variable_is_set_by_the_package_itself() -> None:
    assert os.environ[telemetry.VARIABLE]
    for module in ("gradus_runtime", "gradus_runtime.errors", "gradus_convert", "gradus_train"):
        script = f"import {module}, os; print(os.environ.get('ORT_DISABLE_TELEMETRY'))"
        given = {k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
        done = subprocess.run(
            [sys.executable, "-c", script], env=given, capture_output=True, text=True, check=True
        )
        assert done.stdout == "1\n", module


BARE = """
import os, sys
assert not any(os.path.exists(path) for path in ("/bin", "/usr/bin", "/etc"))
from gradus_runtime import Predictor
bot = Predictor.open("/artifact", preload=True)
row = {str(name): 0.5 for name in bot.feature_names_in_}
assert bot.decide(row).level == "level1", bot.health()
assert bot.predict([row] * 3).levels.tolist() == ["level1"] * 3
print("served")
"""


def may_make_roots() -> bool:
    """Whether this user may give a process a root folder, and Python lies apart from other programs."""
    if sys.base_prefix == "/usr" or shutil.which("unshare") is None or shutil.which("chroot") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_make_roots(), reason="no root folder can be made here, or Python lies in /usr")
def test_an_image_without_shell_and_machine_id_serves(tmp_path: Path) -> None:
    """The root holds Python, its libraries and the C library: no /bin, no /usr/bin, no /etc."""
    root = tmp_path / "root"
    packages = Path(onnxruntime.__file__).parent.parent
    source = Path(telemetry.__file__).parent.parent
    libraries = [Path(p) for p in ("/lib64", "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu")]
    inside = [Path(sys.base_prefix), packages, source, Path("/proc"), *(p for p in libraries if p.exists())]
    commands = []
    for place, outside in [*((p, p) for p in inside), (Path("/artifact"), TRIO)]:
        target = root / place.relative_to("/")
        target.mkdir(parents=True, exist_ok=True)
        commands.append(f"mount --bind {shlex.quote(str(outside))} {shlex.quote(str(target))}")
    python = base_interpreter()
    path = os.pathsep.join((str(packages), str(source)))
    inner = shlex.join([str(shutil.which("chroot")), str(root), str(python), "-c", BARE])
    # An interpreter that was moved does not find its library without.
    variables = {"PYTHONPATH": path, "HOME": "/", "LD_LIBRARY_PATH": str(Path(sys.base_prefix) / "lib")}
    run = shlex.join(["exec", "env", "-i", *(f"{k}={v}" for k, v in variables.items())]) + f" {inner}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", "\n".join([*commands, run])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "served\n"
