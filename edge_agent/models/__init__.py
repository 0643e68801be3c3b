"""The shipped ONNX model and its card."""
