"""What NAME, FILE.py:FACTORY and FILE.onnx become."""
