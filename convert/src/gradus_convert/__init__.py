"""gradus convert: compiles trained ensembles to exact, compact ONNX artifacts and publishes them."""

__version__ = "0.1.0"
