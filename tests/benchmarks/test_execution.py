import sys

import pytest
from benchmarks.execution import WorkerFailedError, in_turns, work


def test_peers_take_turns():
    calls: list[str] = []

    def sample(name):
        calls.append(name)
        return {"call": float(len(calls))}

    samples, failed = in_turns(["a", "b"], 2, sample)
    assert calls == ["a", "b", "a", "b"]
    assert samples == {"a": [{"call": 1.0}, {"call": 3.0}], "b": [{"call": 2.0}, {"call": 4.0}]}
    assert failed == {}


def test_a_peer_that_fails_is_named_with_its_reason_and_asked_no_more():
    asked: list[str] = []

    def sample(name):
        asked.append(name)
        if name == "b":
            raise WorkerFailedError("no compiler")
        return {"x": 1.0}

    samples, failed = in_turns(["a", "b"], 3, sample)
    assert (list(samples), failed) == (["a"], {"b": "no compiler"})
    assert asked.count("b") == 1


def test_a_worker_in_a_fresh_process_measures_a_peer(tmp_path):
    from pathlib import Path

    import numpy as np

    python = Path(sys.executable)
    rows = tmp_path / "rows.npy"
    np.save(rows, np.ones((3, 2), np.float32))
    prepared = work(python, "prepare", "floor", tmp_path)
    assert prepared["prepare_peak_mib"] > 10
    single = work(python, "serve", "floor", tmp_path, single=rows, threads=1, limit=5)
    assert single["answers"] == 5
    assert 0 < single["p50_us"] <= single["p99_us"]
    assert single["load_ms"] < single["cold_start_ms"]
    assert 20 < single["first_peak_mib"] <= single["peak_mib"]


def test_a_worker_that_fails_gives_its_last_line(tmp_path):
    from pathlib import Path

    with pytest.raises(WorkerFailedError, match=r"No module named 'benchmarks\.peers\.nobody'"):
        work(Path(sys.executable), "serve", "nobody", tmp_path, single=tmp_path)
