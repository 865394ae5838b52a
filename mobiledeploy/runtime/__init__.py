"""Runtimes that run a model, what they delegate, and the kinds of artifact they take."""
