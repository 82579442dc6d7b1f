"""The machine in general terms, and the versions of what was measured."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path

__all__ = ["describe", "versions"]

_DISTRIBUTIONS = (
    "lightgbm", "lleaves", "llvmlite", "numpy", "onnxmltools", "onnxruntime", "scikit-learn", "skl2onnx",
    "tl2cgen", "treelite", "xgboost", "xgboost-cpu",
)  # fmt: skip


def describe() -> dict[str, str]:
    """Return cores, memory, processor family, system and Python; nothing that names the machine."""
    cpu = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "processor": f"{cpu[1].strip() if cpu else 'unknown'} ({platform.machine()})",
        "system": platform.system(),
        "python": platform.python_version(),
    }


_VERSIONS = """
import importlib.metadata as metadata, json, sys
found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions()}
json.dump({n: found[n] for n in sys.argv[1:] if n in found}, sys.stdout)
"""


def versions(pythons: list[Path]) -> dict[str, str]:
    """Return the versions of the measured libraries, each from the first environment that has it."""
    result: dict[str, str] = {}
    for python in reversed(pythons):
        words = [str(python), "-c", _VERSIONS, *_DISTRIBUTIONS]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        result |= json.loads(done.stdout)
    result["gradus"] = importlib.metadata.version("gradus-runtime")
    return dict(sorted(result.items()))
