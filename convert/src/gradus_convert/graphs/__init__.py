"""Forests to ONNX: one self-contained graph a level.

`build_level` is the entry point. Below it: `walk_tables` lays trees out for the walk, `compact` and `treeops`
are the two encodings, `vote` and `exact_vote` join the members, `fragments` brings in members that are not
trees, `operators` lists the operators that a level's graph may hold.
"""

from gradus_convert.graphs.level_graph import build_level
from gradus_convert.graphs.operators import ALLOWED_OPERATORS
from gradus_convert.graphs.treeops import NEEDS_ONNXRUNTIME
from gradus_convert.graphs.types import LevelGraph, VotingMember

__all__ = [
    "ALLOWED_OPERATORS",
    "NEEDS_ONNXRUNTIME",
    "LevelGraph",
    "VotingMember",
    "build_level",
]
