"""What serving loads, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.golden import TRIO, trio_store

SCRIPT = """
import json, sys
import numpy, onnxruntime
before = set(sys.modules)
from gradus_runtime import Predictor
bot = Predictor.open(sys.argv[1])
row = {str(name): 0.5 for name in bot.feature_names_in_}
bot.decide(row)
bot.decide({})
bot.predict([row, {}])
bot.drift(), bot.health(), bot.info(), bot.reload_if_changed()
print(json.dumps(sorted(set(sys.modules) - before)))
"""

HEAVY = {"sklearn", "lightgbm", "xgboost", "pandas", "polars", "pyarrow", "scipy", "onnx", "joblib", "skops"}


def test_a_prediction_loads_nothing_but_the_runtime_and_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(TRIO)], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    tops = {name.split(".")[0] for name in loaded}
    assert not tops & HEAVY
    assert tops - sys.stdlib_module_names <= {"gradus_runtime", "numpy"}
    assert not {name for name in loaded if name.startswith("numpy.random")}
    assert not tops & {"pickle", "socket", "ssl", "http", "ctypes", "asyncio", "_hashlib", "subprocess"}


FIRST = """
import json, sys
import numpy, onnxruntime
before = set(sys.modules)
from gradus_runtime import Predictor
bot = Predictor.open(sys.argv[1])
assert bot.decide(dict.fromkeys(bot.feature_names_in_, 0.5)).level == "level1"
print(json.dumps(sorted(set(sys.modules) - before)))
"""
LATER = {
    *("argparse", "base64", "bz2", "ctypes", "decimal", "hashlib", "importlib.metadata", "logging", "lzma"),
    *("numpy.typing", "pathlib", "shutil", "tempfile", "threading", "tomllib", "urllib", "zipfile"),
}
"""What neither numpy nor onnxruntime imports, and a first decision need not wait for."""


@pytest.mark.parametrize("of_a_store", [False, True])
def test_a_first_decision_waits_for_no_module_that_it_can_do_without(
    tmp_path: Path, of_a_store: bool
) -> None:
    source = trio_store(tmp_path / "trio").path if of_a_store else TRIO
    done = subprocess.run(
        [sys.executable, "-c", FIRST, str(source)], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "gradus_runtime.serving.single_row" in loaded
    assert not loaded & LATER
    ours = {name.removeprefix("gradus_runtime.") for name in loaded}
    assert not ours & {
        "serving.batch",
        "serving.feed",
        "serving.recorder",
        "monitoring.drift_report",
        "store.bundle",
    }
    assert not {name.split(".")[0] for name in ours} & {"cli", "journal", "candles"}


def test_the_contracts_and_the_command_do_without_onnxruntime() -> None:
    script = (
        "import sys, gradus_runtime, gradus_runtime.contracts.manifest, gradus_runtime.cli\n"
        "gradus_runtime.cli.main(['pin', '--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "gradus_runtime.contracts.manifest" in imported
    assert not {name for name in imported if name.split(".")[0] in ("numpy", "onnxruntime")}


def test_a_process_that_ends_with_an_open_predictor_ends_in_silence() -> None:
    script = (
        "import sys; from gradus_runtime import Predictor; bot = Predictor.open(sys.argv[1]); bot.decide({})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(TRIO)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
