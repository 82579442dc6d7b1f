"""What happens to a row before the trees: steps of a pipeline in float64, and float64 thresholds as ranks.

`pipeline_steps` are the operations, `sklearn_steps` reads fitted transformers, `ranks` turns float64 columns
into float32 ones that compare alike, `front` puts them before a graph of trees.
"""
