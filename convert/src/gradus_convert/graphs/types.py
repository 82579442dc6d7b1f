"""What goes into a level's graph, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gradus_convert.forest.fragment import OnnxFragment
from gradus_convert.forest.ir import Forest

__all__ = ["Encoding", "LevelGraph", "Vote", "VotingMember"]

Encoding = Literal["compact", "treeops", "treeops5", "auto"]
Vote = Literal["soft", "hard"]


@dataclass(frozen=True, slots=True)
class VotingMember:
    """A member of a level's vote.

    Attributes:
        name: Unique in the level.
        weight: Its share of the vote, positive; shares are divided by their sum.
        model: A forest or a fragment.
        classes: The index, in the level's classes, of each column of its probabilities.
    """

    name: str
    weight: float
    model: Forest | OnnxFragment
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LevelGraph:
    """A compiled level: the bytes of the ONNX file, the encoding of its trees, the opset of each domain."""

    model_bytes: bytes
    encoding: str
    opsets: Mapping[str, int]
