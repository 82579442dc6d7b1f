"""gradus runtime: serves compiled tree ensembles with level fallback, on onnxruntime and numpy alone."""

__version__ = "0.1.0"
