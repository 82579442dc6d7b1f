"""What stands before the trees of a graph: the user's rows in, the float32 rows of the walk out."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from gradus_convert.graphs.builder import DOUBLE, FLOAT, Graph
from gradus_convert.preparation.pipeline_steps import NUMBERS, TEXTS, Block, emit
from gradus_convert.preparation.ranks import Ranks

__all__ = ["PipelineFront"]


@dataclass(frozen=True, slots=True, eq=False)
class PipelineFront:
    """Steps, and how their float64 columns become what the walk compares.

    Attributes:
        block: The steps of a pipeline; None where the rows are taken as they are.
        numbers: The columns of the user's rows that are numbers, in the order of the input `features`.
        texts: Those that are texts, of the input `texts`.
        ranks: Of a model that reads float64; None where it rounds to float32 itself.
        width: Columns before the trees.
    """

    block: Block | None
    numbers: tuple[int, ...]
    texts: tuple[int, ...]
    ranks: Ranks | None
    width: int

    def emit(self, graph: Graph) -> str:
        """Write all of it and return the name of rows float32 [N, width]."""
        rows = NUMBERS if self.block is None else emit(graph, self.block, self.numbers, self.texts)
        if self.ranks is not None:
            return self.ranks.emit(graph, rows)
        return graph.op("Cast", rows, to=FLOAT, type=FLOAT, dims=["N", self.width])

    def inputs(self) -> list[onnx.ValueInfoProto]:
        """Return the inputs of the graph."""
        found = []
        if self.numbers:
            found.append(helper.make_tensor_value_info(NUMBERS, DOUBLE, ["N", len(self.numbers)]))
        if self.texts:
            found.append(helper.make_tensor_value_info(TEXTS, TensorProto.STRING, ["N", len(self.texts)]))
        return found
