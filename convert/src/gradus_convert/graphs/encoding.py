"""Which encoding serves a level best. The figures behind the rules: docs/decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from gradus_convert.forest.ir import Forest, depths
from gradus_convert.graphs.types import Encoding
from gradus_convert.graphs.walk_tables import DEEPEST
from gradus_runtime.errors import UsageError

__all__ = ["choose_encoding"]

FEW_NODES = 20_000
"""Below, tree operators answer one row in a third of the time, and cost at most 9 MB and 10 ms to load."""

ALONE_NODES = 1_000_000
"""The same for a model by itself, where a row counts for more, and tree operators are what the user would
have otherwise. They answer one in 0.4 to 0.7 of the time up to 260,000 nodes, and cost 460 bytes a node."""

DEEP = 64
"""Beyond, nine operators a level make the walk of one row slower, and few rows come that far."""


def choose_encoding(
    forests: Sequence[Forest],
    *,
    encoding: Encoding,
    prefer_exact: bool = False,
    alone: bool = False,
) -> str:
    """Return the encoding of a level's trees.

    "auto" takes tree operators where the trees are few or very deep, and the compact encoding elsewhere. With
    `prefer_exact` it takes the compact encoding, whose bits are the same everywhere, for all trees that it
    can walk.

    Args:
        forests: The level's members that are forests.
        encoding: What was asked for.
        prefer_exact: Whether exact bits count for more than speed.
        alone: Whether the forest is a model by itself, and no level of an artifact.

    Returns:
        "compact", "treeops" or "treeops5"; "none" where there are no trees.

    Raises:
        UsageError: The encoding is unknown.
    """
    if encoding not in get_args(Encoding):
        raise UsageError(
            "encoding must be known",
            place="build_level(encoding)",
            value=encoding,
            hint=f"Known: {', '.join(get_args(Encoding))}.",
        )
    if not forests:
        return "none"
    if encoding != "auto":
        return encoding
    deepest = max(int(depths(f).max()) for f in forests)
    if prefer_exact:
        return "compact" if deepest <= DEEPEST else "treeops"
    few = sum(f.n_nodes for f in forests) < (ALONE_NODES if alone else FEW_NODES)
    return "treeops" if few or deepest > DEEP else "compact"
