"""Holding artifacts against their references."""
