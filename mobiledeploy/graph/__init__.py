"""Questions to an ONNX graph, and what is known of its ops."""
