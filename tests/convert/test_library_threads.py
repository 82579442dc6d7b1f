"""The threads that libraries may use while a graph is asked."""

from __future__ import annotations

import lightgbm  # noqa: F401  loads a pool of OpenMP threads
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gradus_convert.parity import compiled


def openmp_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]


@pytest.mark.parametrize(
    ("processors", "before", "within"), [(1, 3, 1), (2, 3, 1), (6, 3, 2), (64, 3, 3), (64, 1, 1)]
)
def test_libraries_get_what_is_left_and_never_more_than_they_had(
    processors: int, before: int, within: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled.os, "cpu_count", lambda: processors)
    monkeypatch.setattr(compiled, "_THREADS", min(4, processors))
    with threadpool_limits(before, "openmp"):
        with compiled.fewer_library_threads():
            assert set(openmp_threads()) == {within}
        assert set(openmp_threads()) == {before}
