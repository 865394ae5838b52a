"""Graph rewrites on ONNX, one family a file; `stages.py` lists them in the order in which they run."""
