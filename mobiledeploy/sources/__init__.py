"""Networks opened from NAME, FILE.py:FACTORY or FILE.onnx."""
