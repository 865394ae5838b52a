"""PyTorch to ONNX, ONNX rewrites, ONNX to TFLite."""
