"""Quantization: from a float graph to a QDQ graph, by calibration, reconstruction or training."""
