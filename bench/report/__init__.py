"""Measurements as tables and documents, and their comparison."""
