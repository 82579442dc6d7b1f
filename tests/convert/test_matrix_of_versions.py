"""What `make matrix` replays on other versions of onnxruntime is right on the one that is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnxruntime
from tests.matrix import cases, replay, run


def test_every_graph_of_the_matrix_gives_what_it_must_here(tmp_path: Path) -> None:
    names = cases.write(tmp_path)
    assert len(set(names)) == len(names) > 5
    command = [sys.executable, str(replay.__file__), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout) | {"vectors": {"different": 0}}
    assert set(names) <= set(result["cases"])
    assert run.failures(onnxruntime.__version__, result) == []
    result["cases"][names[0]]["difference"] = 1e-3
    result["kernel"] = {"different": 2}
    said = run.failures(onnxruntime.__version__, result)
    assert said == [f"{names[0]}: off by 1.0e-03", "kernel: 2 bits differ"]
