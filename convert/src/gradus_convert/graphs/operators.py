"""The operators that a level's graph may hold: a fixed list, which published files are checked against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from gradus_convert.errors import InexactModelError

__all__ = ["ALLOWED_OPERATORS", "EXACT_OPERATORS", "ML", "check_operators", "nodes_of"]

ML = "ai.onnx.ml"

_TENSOR = """
    Abs Add And ArgMax ArgMin Cast Ceil Clip Concat Constant ConstantOfShape Div Elu Equal Erf Exp
    Expand Flatten Floor Gather GatherElements Gemm Greater GreaterOrEqual HardSigmoid Identity If IsNaN
    LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max Min Mul Neg Not Or Pad Pow Range Reciprocal
    ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Round Selu Shape Sigmoid Sign Size Slice Softmax Softplus Split Sqrt
    Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Where Xor
"""
_ML = """
    ArrayFeatureExtractor Binarizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
    SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""

ALLOWED_OPERATORS: frozenset[tuple[str, str]] = frozenset(
    [("", name) for name in _TENSOR.split()] + [(ML, name) for name in _ML.split()]
)
"""(domain, operator) of every node in a level's graph, in subgraphs too. The default domain is ""."""


_EXACT = """
    Add And ArgMax Cast Concat Constant Div Equal Expand Floor Gather GatherElements Greater GreaterOrEqual
    Identity If IsNaN LessOrEqual Max Min Mul Or Pad Range ReduceSum Reshape Shape Size Split Sqrt Sub
    Transpose Where
"""

EXACT_OPERATORS: frozenset[tuple[str, str]] = frozenset(("", name) for name in _EXACT.split())
"""Those of a level with exact bits. ReduceSum adds fixed-point numbers there: no order changes the sum."""


def nodes_of(graph: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Every node of a graph (or of a function) and, after a node, those of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            subgraphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
            for subgraph in subgraphs:
                yield from nodes_of(subgraph)


def check_operators(nodes: Iterable[onnx.NodeProto], *, place: str) -> None:
    """Refuse a node whose operator is not on the list.

    Raises:
        InexactModelError: It names the operator.
    """
    for node in nodes:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if (domain, node.op_type) not in ALLOWED_OPERATORS:
            raise InexactModelError(
                "every operator must be on the list of allowed operators",
                place=place,
                value=f"{domain or 'ai.onnx'}.{node.op_type}",
                hint="Leave the member out, or express it with the operators of docs/encodings.md.",
            )
