"""Rounding and weights learnt by gradient descent."""
