"""Comparison of artifacts with their references."""
