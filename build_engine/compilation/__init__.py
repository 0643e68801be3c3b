"""From an ONNX model to a plan that TensorRT runs on the device at hand."""
