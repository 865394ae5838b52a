"""Measuring artifacts: on this host, and against what other converters produce from the same network."""
