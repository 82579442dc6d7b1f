"""The shared vectors hold what the interpreter and numpy say today, and every way to ask gives these bits."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.support.levels import LEVELS
from tests.vectors import make, many_rows
from tests.vectors.replay import replay, ways

from gradus_convert.graphs.builder import DOUBLE, FLOAT, Graph

HERE = Path(make.__file__).parent


def test_the_expected_bits_are_those_of_today() -> None:
    tracked, today = make.read(), make.vectors()
    assert [v.name for v in tracked] == [v.name for v in today]
    assert sum(len(v.codes) for v in tracked) == 20_000
    for old, new in zip(tracked, today, strict=True):
        assert old.rows.tobytes() == new.rows.tobytes(), old.name
        assert old.expected.tobytes() == new.expected.tobytes(), old.name


def test_the_file_is_small_and_has_every_threshold_or_256_values() -> None:
    assert make.FILE.stat().st_size <= 512 << 10
    for v in make.read():
        assert len(np.unique(v.codes)) == len(v.values) <= 256
        tables = {t.name: t for t in onnx.load_from_string(v.model).graph.initializer}
        assert np.isin(numpy_helper.to_array(tables["threshold0"]), v.values).any()


def test_every_way_to_ask_gives_the_expected_bits() -> None:
    found = replay(make.FILE, "CPUExecutionProvider", 300)
    assert {name: case["ways"] for name, case in found.items()} == {v.name: {} for v in make.read()}
    assert sum(case["compared"] for case in found.values()) >= 10 * 300 * 3 * 9
    assert len([*ways(300)]) == 9


def test_a_process_that_takes_subnormal_numbers_for_0_gives_the_expected_bits() -> None:
    command = [sys.executable, str(HERE / "replay.py"), "--flush", "--only-rows", "200"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (found["flushed"], found["different"]) == (True, 0)
    assert found["compared"] > 10_000


def test_many_rows_of_a_level_have_the_expected_bits_in_every_way() -> None:
    for name in ("three links", "subnormal thresholds"):
        X, left_out = many_rows.case_rows(LEVELS[name], 600, seed=1)
        assert left_out == 0
        compared, different = many_rows.count_different(LEVELS[name], X, "soft", print)
        assert (compared, different) == (X.shape[0] * 3 * 16, 0)


def test_many_rows_see_a_sum_that_is_made_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Graph.op

    def faulty(self: Graph, operator: str, *values: str, **attributes: Any) -> str:
        if operator != "ReduceSum" or self.prefix != "walk_many_":
            return real(self, operator, *values, **attributes)
        narrow = real(self, "Cast", values[0], to=FLOAT)
        total = real(self, operator, narrow, *values[1:], keepdims=attributes["keepdims"])
        return real(self, "Cast", total, to=DOUBLE)

    monkeypatch.setattr(Graph, "op", faulty)
    X, _ = many_rows.case_rows(LEVELS["many trees"], 300, seed=1)
    said: list[str] = []
    _, different = many_rows.count_different(LEVELS["many trees"], X, "soft", said.append)
    assert different > 100
    assert not [line for line in said if "single rows" in line]


def test_the_replay_sees_a_graph_that_is_off_in_the_last_place(tmp_path: Path) -> None:
    """A wrong number in one table: the largest leaf of the averaged vectors, one float32 up."""
    document = json.loads(gzip.decompress(make.FILE.read_bytes()))
    (case,) = [c for c in document["cases"] if c["name"] == "averaged vectors, soft"]
    vectors = next(v for v in make.read() if v.name == case["name"])
    model = onnx.load_from_string(vectors.model)
    (table,) = [t for t in model.graph.initializer if t.name.startswith("vectors")]
    values = numpy_helper.to_array(table).copy()
    place = np.unravel_index(values.argmax(), values.shape)
    values[place] = np.nextafter(np.float32(values[place]), np.float32(2))
    table.CopyFrom(numpy_helper.from_array(values, table.name))
    wrong = make.Vectors(
        case["name"], model.SerializeToString(), vectors.values, vectors.codes, vectors.expected
    )
    make.write([wrong], tmp_path / "wrong.json.gz")
    command = [sys.executable, str(HERE / "replay.py"), "--file", str(tmp_path / "wrong.json.gz")]
    done = subprocess.run([*command, "--only-rows", "300"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["different"] > 9


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_javascript_replay_counts_bits_that_differ(tmp_path: Path) -> None:
    """A stand-in for onnxruntime answers what is expected, but for one bit of each number of two rows."""
    script = tmp_path / "check.mjs"
    script.write_text(f"""
import {{ readFileSync }} from "node:fs";
import {{ gunzipSync }} from "node:zlib";
import {{ replay }} from "{HERE / "replay.mjs"}";
const all = JSON.parse(gunzipSync(readFileSync("{make.FILE}")).toString());
const [entry] = all.cases;
const expected = new Uint32Array(Uint8Array.from(atob(entry.expected), (c) => c.charCodeAt(0)).buffer);
let at = 0, asked = 0;
const session = {{
  run: async ({{ features }}) => {{
    const n = features.dims[0] * entry.classes;
    if (asked === 300 || at + n > expected.length) at = 0;
    asked += 1;
    const data = new Float32Array(expected.slice(at, at + n).buffer);
    at += n;
    const bits = new Uint32Array(data.buffer);
    if (n === 2 * entry.classes && at === n) bits.forEach((b, i) => (bits[i] = b ^ 1));
    return {{ probabilities: {{ data }} }};
  }},
  release: async () => {{}},
}};
class Tensor {{ constructor(type, data, dims) {{ this.data = data; this.dims = dims; }} }}
const ort = {{ Tensor, InferenceSession: {{ create: async () => session }} }};
console.log(JSON.stringify(await replay(ort, {{ cases: [entry] }}, {{}})));
""")
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["different"] == 2 * 3
    assert found["compared"] == 3 * (300 + 4 * make.ROWS)
