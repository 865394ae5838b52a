"""Post-training quantization: calibration statistics, ranges, and the one writer of QDQ."""
