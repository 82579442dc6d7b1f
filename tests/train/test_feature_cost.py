"""What computing features costs in memory."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, resource, sys
from tests.support.candles import daily_values, random_bars
from tests.support.features import features

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

daily = daily_values(1200)
peaks = []
for count in (1_000, 20_000, 80_000):
    features(random_bars(count), daily)
    peaks.append(peak())
print(json.dumps(peaks))
"""


def test_memory_grows_linearly_with_bars() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    small, middle, large = json.loads(done.stdout)
    per_bar = (large - middle) / 60_000
    assert per_bar < 2_000, "bytes a bar: 70 features are 280, and their frame as much again"
    assert large - small < 6 * max(middle - small, 30 << 20)
