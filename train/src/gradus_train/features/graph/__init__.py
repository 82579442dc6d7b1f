"""Nodes to one ONNX graph of plain operators whose results IEEE 754 defines.

float64 inside, one stated order of every sum, no reduction over floats, no Scan, Loop or If: so the same bits
in training and serving, in a batch and alone, with any number of threads, on every machine.
"""

from gradus_train.features.graph.calendar import Zone
from gradus_train.features.graph.compiler import compile_graph

__all__ = ["Zone", "compile_graph"]
