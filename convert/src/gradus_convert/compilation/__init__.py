"""`gradus_convert.compile`: any tree model that has an exact form, in three lines of Python.

`door` is the entry point, `one_model` compiles what a reader has lowered; `facts` says what a model answers,
`given_rows` reads what users bring, `model` is what they get, `proof_rows` are the rows of the proof,
`onnx_model` and `pickled` read files that the readers do not, `measure` and `comparing` say what it costs.
"""
