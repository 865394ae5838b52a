"""From an ONNX graph to a TFLite flatbuffer."""
