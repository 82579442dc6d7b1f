"""What touches onnxruntime or the bytes of an ONNX file: the sessions of a level."""
