"""What views of the row cost the walk: a model that takes missing values against itself for complete rows.

    python -m benchmarks.view_cost

LightGBM, 600 trees of 31 leaves on 70 columns, all of which have gaps in training: every split looks at a
view. Both graphs are in the compact encoding and answer the same complete rows, in turns, in one process, on
one thread, in processor time; each figure is the median of the ratios of neighbouring turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from gradus_convert.forest.ir import Forest
from gradus_convert.graphs import VotingMember, build_level
from gradus_convert.graphs.widened_row import plan_rows
from gradus_convert.readers import NativeModel, read_model
from gradus_runtime.sessions.onnx_session import open_session

__all__ = ["main", "ratios"]

_COLUMNS, _ROWS, _BLOCK = 70, 4_000, 96


def main(arguments: list[str] | None = None) -> int:
    """Print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.view_cost", description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--trees", type=int, default=600)
    options = parser.parse_args(arguments)
    native, X = _fitted(options.trees)
    found = ratios(native, X, options.turns)
    print(f"{_width(native)} columns and views for {_COLUMNS} columns; with views over without:")
    for name, ratio in found.items():
        print(f"{name:<16} {ratio:.3f}")
    return 0


def ratios(native: NativeModel, X: np.ndarray, turns: int) -> dict[str, float]:
    """Return what a graph with views takes over the one without, by how rows are asked for.

    Args:
        native: A model whose forest has views.
        X: float32 [N, F], finite.
        turns: Pairs that are timed.
    """
    both = [_graph(native), _graph(native.for_rows())]
    blocks = [X[i : i + _BLOCK] for i in range(0, len(X), _BLOCK)]
    singles = [X[i : i + 1] for i in range(200)]
    return {
        "one row": _ratio(both, singles, turns),
        f"blocks of {_BLOCK}": _ratio(both, blocks, turns),
    }


def _fitted(trees: int) -> tuple[NativeModel, np.ndarray]:
    import lightgbm

    random = np.random.default_rng(0)
    X = random.normal(size=(_ROWS, _COLUMNS)).astype(np.float32)
    y = (X[:, :5].sum(axis=1) + random.normal(size=_ROWS) > 0).astype(int)
    gaps = np.where(random.random(X.shape) < 0.1, np.float32(np.nan), X)
    model = lightgbm.LGBMClassifier(n_estimators=trees, num_leaves=31, verbose=-1, n_jobs=1)
    return read_model(model.fit(gaps, y)), X


def _width(native: NativeModel) -> int:
    if not isinstance(native.lowered, Forest):
        raise TypeError("a model of trees is needed")
    plan, _ = plan_rows([native.lowered])
    return _COLUMNS if plan is None else plan.width


def _graph(native: NativeModel) -> Callable[[np.ndarray], object]:
    names = [f"f{i}" for i in range(_COLUMNS)]
    member = VotingMember("m", 1.0, native.lowered, (0, 1))
    built = build_level([member], names, ("a", "b"), encoding="compact", metadata={})
    session = open_session(built.model_bytes, built.encoding, 1).session
    return lambda rows: session.run(["probabilities"], {"features": rows})


def _ratio(both: list[Callable[[np.ndarray], object]], parts: list[np.ndarray], turns: int) -> float:
    def seconds(answer: Callable[[np.ndarray], object]) -> float:
        started = time.process_time()
        for rows in parts:
            answer(rows)
        return time.process_time() - started

    for answer in both:
        seconds(answer)
    found = []
    for turn in range(turns):
        order = both if turn % 2 == 0 else both[::-1]
        took = {id(answer): seconds(answer) for answer in order}
        found.append(took[id(both[0])] / took[id(both[1])])
    return statistics.median(found)


if __name__ == "__main__":
    raise SystemExit(main())
