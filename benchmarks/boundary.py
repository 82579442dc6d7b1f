"""Rows that stand on a threshold: at the threshold itself, and at its two float32 neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import source
from gradus_convert.forest.ir import Forest, depths, leaves, tree_of_node
from gradus_convert.readers import read_file

__all__ = ["boundary_rows", "forest_rows", "wrong_side"]

WRONG = 1e-5
"""A probability further than this from the native one means that some tree took another leaf."""

Rows = NDArray[np.float32]


def boundary_rows(run: Path, base: Rows, splits: int, seed: int) -> Rows:
    """Return up to three rows for each of `splits` splits, spread evenly over the members of the best level.

    Args:
        run: A run folder.
        base: float32 [N, F], rows to start from.
        splits: Splits to try.
        seed: Of the choice of splits.

    Returns:
        float32 [up to 3 * splits, F]; every row reaches its split.
    """
    members = source.members(run)
    random = np.random.default_rng(seed)
    parts = []
    for member in members:
        forest = read_file(member.path, member.library).for_rows().lowered
        if not isinstance(forest, Forest):
            raise TypeError(f"{member.name} is not a forest")
        parts.append(forest_rows(forest, base, splits // len(members), random))
    return np.concatenate(parts)


def forest_rows(forest: Forest, base: Rows, splits: int, random: np.random.Generator) -> Rows:
    """Return the boundary rows of one forest; see `boundary_rows`."""
    visitor, tree = _visitors(forest, base), tree_of_node(forest)
    candidates = np.flatnonzero((forest.feature >= 0) & (visitor >= 0))
    chosen = random.choice(candidates, size=min(splits, len(candidates)), replace=False)
    threshold = forest.threshold[chosen]
    below, above = (np.nextafter(threshold, np.float32(end)) for end in (-np.inf, np.inf))
    values = np.stack([below, threshold, above], axis=1)
    node = np.repeat(chosen, 3)
    rows = base[visitor[node]].copy()
    rows[np.arange(len(rows)), forest.feature[node]] = values.reshape(-1)
    kept: Rows = rows[_reaches(forest, rows, forest.roots[tree[node]], node)]
    return kept


def _visitors(forest: Forest, base: Rows) -> NDArray[np.int64]:
    """For every node: a row of `base` that passes through it, or -1."""
    visitor = np.full(forest.n_nodes, -1, np.int64)
    reached = leaves(forest, base)
    visitor[reached] = np.arange(len(base))[:, None]
    depth = depths(forest)
    splits = np.flatnonzero(forest.feature >= 0)
    for level in reversed(range(int(depth.max()))):
        at = splits[depth[splits] == level]
        visitor[at] = np.maximum(visitor[forest.left[at]], visitor[forest.right[at]])
    return visitor


def _reaches(
    forest: Forest, rows: Rows, root: NDArray[np.int32], target: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each row, walking from its root, comes to its target."""
    node = root.astype(np.int64)
    found: NDArray[np.bool_] = node == target
    index = np.arange(len(rows))
    for _ in range(int(depths(forest).max())):
        left = rows[index, forest.feature[node]] <= forest.threshold[node]
        node = np.where(left, forest.left[node], forest.right[node]).astype(np.int64)
        found |= node == target
    return found


def wrong_side(native: NDArray[np.float64], other: NDArray[np.float64]) -> int:
    """Count the rows whose probabilities say that another leaf was taken somewhere."""
    return int((np.abs(native - other).max(axis=1) > WRONG).sum())
