"""The runtime's own wheel, with numpy and onnxruntime and nothing else beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy
import onnxruntime
from tests.support.golden import TRIO

PROJECT = Path(__file__).resolve().parent.parent.parent

SCRIPT = """
import json, sys
from gradus_runtime import Predictor
bot = Predictor.open(sys.argv[1])
row = {str(name): 0.5 for name in bot.feature_names_in_}
decision = bot.decide(row)
import gradus_runtime
print(json.dumps([decision.level, gradus_runtime.__file__, sorted({m.split(".")[0] for m in sys.modules})]))
"""


def test_the_wheel_serves_beside_its_two_dependencies_alone(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=PROJECT / "runtime",
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("gradus_runtime-*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for module in (numpy, onnxruntime):
        assert module.__file__ is not None
        folder = Path(module.__file__).parent
        for part in (folder, folder.with_name(f"{folder.name}.libs")):
            if part.is_dir():
                (site / part.name).symlink_to(part)
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(site)!r})\n{SCRIPT}",
            str(TRIO),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    level, file, modules = json.loads(done.stdout)
    assert level == "level1"
    assert Path(file).is_relative_to(site)
    foreign = {m for m in modules if "cython" not in m} - sys.stdlib_module_names  # numpy's own, up to 1.26
    assert foreign <= {"gradus_runtime", "numpy", "onnxruntime", "__main__"}
