"""`gradus compact`: the tree operators of any ONNX file, rewritten into the compact encoding.

`compact` is the entry point. `operator_readers` and `operator5` read a tree operator into an `Ensemble`,
`lowering` writes it as plain tensor operators, `probes` compares the two, `rewrite` does so for a whole file.
"""

from gradus_convert.compaction.rewrite import Compaction, compact

__all__ = ["Compaction", "compact"]
