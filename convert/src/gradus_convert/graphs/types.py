"""What goes into a level's graph, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import onnx

from gradus_convert.forest.fragment import OnnxFragment
from gradus_convert.forest.ir import Forest
from gradus_convert.graphs.builder import Graph

__all__ = ["Encoding", "Front", "LevelGraph", "Vote", "VotingMember"]

Encoding = Literal["compact", "treeops", "treeops5", "auto"]
Vote = Literal["soft", "hard"]


class Front(Protocol):
    """What stands before the trees: inputs of its own, out of which it makes the rows of the walk."""

    def emit(self, graph: Graph) -> str:
        """Write it and return the name of rows float32 [N, F]."""

    def inputs(self) -> list[onnx.ValueInfoProto]:
        """Return the inputs of the graph."""


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
    """A compiled level.

    Attributes:
        model_bytes: The ONNX file.
        encoding: Of its trees.
        opsets: By domain.
        bits: As in the manifest's `Level`: whether a row has the same bits everywhere.
    """

    model_bytes: bytes
    encoding: str
    opsets: Mapping[str, int]
    bits: str
