"""The benchmark of loading on onnxruntime alone compares the same graph with and without its function."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from benchmarks.plain_load import MOST, main, without_function
from tests.support.levels import LEVELS

from gradus_convert.graphs import build_level

MODEL = build_level(LEVELS["softmax"], list("abcd"), list("xyz"), metadata={}).model_bytes


def test_it_prints_a_ratio_for_each_graph(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pairs", "1", "--python", sys.executable], {"softmax": MODEL}) == 0
    rows = [
        [cell.strip() for cell in line[1:-1].split("|")] for line in capsys.readouterr().out.splitlines()[2:]
    ]
    assert [(row[0], row[5]) for row in rows] == [("softmax", f"{MOST:g}"), *[("softmax", "")] * 3]
    assert [row[1].split(",")[0] for row in rows] == ["load", "one row", "a row of 88", "peak memory"]
    assert min(float(value) for row in rows for value in row[2:5]) > 0


def test_the_graph_without_the_function_has_the_same_answers() -> None:
    inlined = without_function(MODEL)
    assert [f.name for f in onnx.load_from_string(MODEL).functions] == ["TreeWalk1"]
    assert not onnx.load_from_string(inlined).functions
    rows = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    answers = [
        ort.InferenceSession(m, providers=["CPUExecutionProvider"]).run(["probabilities"], {"features": rows})
        for m in (MODEL, inlined)
    ]
    assert answers[0][0].tobytes() == answers[1][0].tobytes()


def test_a_graph_without_a_function_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a function gradus::TreeWalk1"):
        without_function(without_function(MODEL))
