"""What every test may use."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No example has a time limit: on a busy machine a correct one would exceed it.
settings.register_profile(
    "gradus", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gradus")

# Two workers share the machine: threads that wait for each other would cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ORDER = "GRADUS_TEST_ORDER"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files, and the tests within a file, in the order that a seed in GRADUS_TEST_ORDER gives.

    Several workers must collect the same names: none may hold the address of an object.
    """
    if named := next((item.nodeid for item in items if " at 0x" in item.nodeid), None):
        raise pytest.UsageError(f"the name of a test changes from process to process: {named}; give it ids=")
    if ORDER not in os.environ:
        return
    chance = random.Random(os.environ[ORDER])
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    groups = list(files.values())
    chance.shuffle(groups)
    for group in groups:
        chance.shuffle(group)
    items[:] = [item for group in groups for item in group]


PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def development_data() -> Path:
    """The folder of real candles and daily series; the test is skipped where it is absent."""
    folder = Path(os.environ.get("GRADUS_DEV_DATA", PROJECT.parent / "shared" / "data"))
    if not (folder / "btc_jpy_15m.csv").is_file():
        pytest.skip("the development candles are not here; name their folder by GRADUS_DEV_DATA")
    return folder
