"""Forests to ONNX: one self-contained graph a level.

`build_level` is the door. Beneath it: `tables` lays trees out for the walk, `compact` and `treeops` are the
two encodings, `vote` joins the members, `fragments` brings in members that are no trees, `operators` says
which operators a level's graph may hold.
"""

from gradus_convert.graphs.level import build_level
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
