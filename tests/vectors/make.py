"""Write `vectors.json.gz`: graphs, 20,000 rows, and the 32 bits of each answer, by the interpreter and numpy.

    python -m tests.vectors.make

The file is all that a replayer needs, in whatever language: JSON under gzip,

    {"format": 1, "cases": [{
        "name": text, "rows": N, "features": F, "classes": C,
        "model": the ONNX file,
        "values": float32 [V], what features are: thresholds, their neighbours, zeros, subnormal and largest,
        "codes": uint8 [N, F], which value each feature of each row is,
        "expected": float32 [N, C]}, ...]}

with files and numbers as base64, numbers little-endian. Write it anew when the bits are meant to change: a
change of this file is a change of what artifacts answer that are converted from now on.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.support.forests import random_forest
from tests.support.levels import LEVELS

from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.types import Vote
from gradus_convert.parity.bits import BitOracle

__all__ = ["FILE", "ROWS", "SPECIAL", "Vectors", "read", "threshold_rows", "vectors"]

FILE = Path(__file__).with_name("vectors.json.gz")
ROWS = 2_000
CLASSES = 3
SPECIAL = np.float32([0.0, -0.0, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38])

_CASES: tuple[tuple[str, Vote], ...] = (
    ("softmax", "soft"),
    ("many trees", "soft"),
    ("margins over 100 octaves", "soft"),
    ("two members over 100 octaves", "hard"),
    ("subnormal thresholds", "soft"),
    ("sigmoid far out", "soft"),
    ("two sigmoids", "soft"),
    ("averaged vectors", "soft"),
    ("three links", "soft"),
    ("classes elsewhere", "soft"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """A graph, rows float32 [N, F] as codes of values, and the answers float32 [N, C]."""

    name: str
    model: bytes
    values: np.ndarray
    codes: np.ndarray
    expected: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The rows, float32 [N, F]."""
        return self.values[self.codes]


def _members(name: str) -> list[VotingMember]:
    if name == "many trees":  # smaller than that of the other tests: the file is under version control
        return [VotingMember("a", 1, random_forest(11, trees=60, depth=4), (0, 1, 2))]
    return LEVELS[name]


def threshold_values(members: list[VotingMember], most: int) -> np.ndarray:
    """The special values and, as far as there is room, every threshold with both its float32 neighbours."""
    forests = [m.model for m in members if isinstance(m.model, Forest)]
    t = np.unique(np.concatenate([f.threshold[f.feature >= 0] for f in forests]))
    t = t[np.linspace(0, len(t) - 1, min(len(t), (most - len(SPECIAL)) // 3)).astype(int)]
    around = [np.nextafter(t, np.float32(-np.inf)), t, np.nextafter(t, np.float32(np.inf))]
    return np.concatenate([SPECIAL, np.stack(around, 1).reshape(-1)]).astype(np.float32)


def threshold_rows(values: int, rows: int, features: int, seed: int) -> np.ndarray:
    """Codes of values [rows, features]: in every feature each value comes as often as the others."""
    rng = np.random.default_rng(seed)
    columns = [
        np.concatenate([rng.permutation(values) for _ in range(-(-rows // values))])[:rows]
        for _ in range(features)
    ]
    return np.stack(columns, axis=1)


def vectors() -> list[Vectors]:
    """Make them; the same on every machine."""
    result = []
    for i, (name, vote) in enumerate(_CASES):
        members = _members(name)
        built = build_level(members, list("abcd"), list("xyz"), vote=vote, metadata={})
        values = threshold_values(members, 256)
        codes = threshold_rows(len(values), ROWS, 4, seed=i).astype(np.uint8)
        oracle = BitOracle(members, CLASSES, vote)
        expected = oracle.bits(oracle.leaves(np.ascontiguousarray(values[codes])))
        result.append(Vectors(f"{name}, {vote}", built.model_bytes, values, codes, expected))
    return result


def read(file: Path = FILE) -> list[Vectors]:
    """Read what `write` wrote."""
    return [
        Vectors(
            case["name"],
            base64.b64decode(case["model"]),
            np.frombuffer(base64.b64decode(case["values"]), "<f4"),
            np.frombuffer(base64.b64decode(case["codes"]), np.uint8).reshape(case["rows"], -1),
            np.frombuffer(base64.b64decode(case["expected"]), "<f4").reshape(case["rows"], -1),
        )
        for case in json.loads(gzip.decompress(file.read_bytes()))["cases"]
    ]


def write(cases: list[Vectors], file: Path = FILE) -> None:
    """Write the file."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    value = [
        {
            "name": v.name,
            "rows": len(v.codes),
            "features": v.codes.shape[1],
            "classes": v.expected.shape[1],
            "model": text(v.model),
            "values": text(v.values.astype("<f4").tobytes()),
            "codes": text(v.codes.tobytes()),
            "expected": text(v.expected.astype("<f4").tobytes()),
        }
        for v in cases
    ]
    document = json.dumps({"format": 1, "cases": value}, separators=(",", ":")).encode()
    file.write_bytes(gzip.compress(document, 9, mtime=0))


if __name__ == "__main__":
    write(vectors())
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")
