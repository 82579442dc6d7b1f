"""Hold many rows of many levels to the bits that the interpreter and numpy expect, asked in every way.

    python -m tests.vectors.many_rows --rows 1000000                # `make bits`
    python -m tests.vectors.many_rows --run benchmarks/cache/large-...   # and a level of a run folder

Rows lie on the thresholds of their features and on both float32 neighbours, each of which comes up; and on
zeros, subnormal numbers and the largest. Ends with 1 where a bit differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime as ort
from tests.support.levels import LEVELS
from tests.support.models import fit
from tests.vectors.make import SPECIAL

from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.types import Vote
from gradus_convert.parity.bits import BitOracle, different_bits
from gradus_convert.readers import read_file, read_model
from gradus_runtime.contracts import run_folder
from gradus_runtime.sessions.onnx_session import open_session

__all__ = ["case_rows", "count_different", "ways"]

Ask = Callable[[np.ndarray], np.ndarray]
BLOCKS = (2, 7, 16, 88, 1000, 2048)
THREADS = (1, 2, 3, 4, 8)
_TRAINED = ("lightgbm, three classes", "xgboost, three classes", "random forest, three classes")
_PART = 20_000
"""Rows that the oracle looks at together."""


def case_rows(members: list[VotingMember], rows: int, seed: int) -> tuple[np.ndarray, int]:
    """Return rows float32 [N, F] on thresholds and neighbours, and how many of those did not fit in."""
    forests = [m.model for m in members if isinstance(m.model, Forest)]
    rng = np.random.default_rng(seed)
    X = np.empty((rows, forests[0].n_features), np.float32)
    left_out = 0
    for k in range(X.shape[1]):
        t = np.unique(np.concatenate([f.threshold[f.feature == k] for f in forests]))
        around = [np.nextafter(t, np.float32(-np.inf)), t, np.nextafter(t, np.float32(np.inf))]
        values = np.unique(np.concatenate([*around, SPECIAL]).view(np.uint32)).view(np.float32)
        left_out += max(0, len(values) - rows)
        turns = [rng.permutation(values) for _ in range(-(-rows // len(values)))]
        X[:, k] = np.concatenate(turns)[:rows]
    return X, left_out


def ways(model: bytes) -> Iterator[tuple[str, Ask, bool]]:
    """Ways to ask for the probabilities of rows float32 [N, F], and whether subnormal numbers are 0 there."""
    one = open_session(model, "compact", 1, one_row=True)
    yield "the session for single rows", _in_blocks(one, 1), False
    many = open_session(model, "compact", 1)
    for block in BLOCKS:
        yield f"the session for tables, blocks of {block}", _in_blocks(many, block), False
    for threads in THREADS[1:]:
        yield f"{threads} threads of Python on one session", _shared(many, threads), False
    for threads in THREADS:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = f"optimised, parallel, {threads} threads of onnxruntime, subnormal numbers flushed"
        yield name, _in_blocks(session, 1000), True


def _in_blocks(opened: Any, block: int) -> Ask:
    session = getattr(opened, "session", opened)

    def ask(X: np.ndarray) -> np.ndarray:
        assert opened is not None  # it owns the tables that the session reads
        parts = (np.ascontiguousarray(X[i : i + block]) for i in range(0, len(X), block))
        return np.concatenate([session.run(["probabilities"], {"features": p})[0] for p in parts])

    return ask


def _shared(opened: Any, threads: int) -> Ask:
    ask = _in_blocks(opened, 88)

    def together(X: np.ndarray) -> np.ndarray:
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(ask, np.array_split(X, 4 * threads))))

    return together


def count_different(
    members: list[VotingMember], X: np.ndarray, vote: Vote, say: Callable[[str], None]
) -> tuple[int, int]:
    """Return how many numbers were compared, and how many have other bits than expected."""
    built = build_level(members, [f"f{i}" for i in range(X.shape[1])], list("xyz"), vote=vote, metadata={})
    oracle = BitOracle(members, 3, vote)
    flushed = np.where(np.abs(X) < np.finfo(np.float32).tiny, np.float32(0), X)
    rows = {False: (X, _expected(oracle, X)), True: (flushed, _expected(oracle, flushed))}
    compared = different = 0
    for name, ask, subnormal_is_zero in ways(built.model_bytes):
        asked, expected = rows[subnormal_is_zero]
        wrong = different_bits(expected, ask(asked))
        if wrong:
            say(f"  {name}: {wrong} of {expected.size} differ")
        compared, different = compared + expected.size, different + wrong
    return compared, different


def _expected(oracle: BitOracle, X: np.ndarray) -> np.ndarray:
    parts = (np.ascontiguousarray(X[i : i + _PART]) for i in range(0, len(X), _PART))
    return np.concatenate([oracle.bits(oracle.leaves(part)) for part in parts])


def _trained(kind: str) -> list[VotingMember]:
    return [VotingMember("m", 1, read_model(fit(kind)[0]).for_rows().lowered, (0, 1, 2))]


def _of_run(folder: Path) -> list[VotingMember]:
    run = run_folder.load(folder)
    (first, *_) = run.levels
    return [
        VotingMember(m.name, m.weight, read_file(folder / m.file, m.library).for_rows().lowered, m.classes)
        for m in first.members
    ]


def main() -> int:
    """Run every case and print a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of all cases together (default 1,000,000)"
    )
    parser.add_argument("--run", type=Path, help="a run folder: 20,000 rows more, on its first level")
    arguments = parser.parse_args()
    cases = [(f"{name}, {vote}", LEVELS[name], vote) for name in LEVELS for vote in get_args(Vote)]
    cases += [(f"trained {kind}", _trained(kind), "soft") for kind in _TRAINED]
    each = -(-arguments.rows // len(cases))
    jobs = [(name, members, vote, each) for name, members, vote in cases]
    if arguments.run:
        jobs.append((str(arguments.run), _of_run(arguments.run), "soft", 20_000))
    total = np.zeros(3, int)
    for i, (name, members, vote, rows) in enumerate(jobs):
        started = time.perf_counter()
        X, left_out = case_rows(members, rows, seed=i)
        compared, different = count_different(members, X, vote, print)
        total += (rows, compared, different)
        note = f", {left_out:,} thresholds or neighbours left out" if left_out else ""
        seconds = time.perf_counter() - started
        print(
            f"{name}: {rows:,} rows{note}, {different} of {compared:,} differ ({seconds:.0f} s)", flush=True
        )
    print("{:,} rows, {:,} numbers compared, {:,} differ".format(*total))
    return int(total[2] > 0)


if __name__ == "__main__":
    sys.exit(main())
