"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Two workers share the machine: threads that wait for each other would cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def development_data() -> Path:
    """The folder of real candles and daily series; the test is skipped where it is absent."""
    folder = Path(os.environ.get("GRADUS_DEV_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "btc_jpy_15m.csv").is_file():
        pytest.skip("the development candles are not here; name their folder by GRADUS_DEV_DATA")
    return folder
