"""Weight adjustment before rounding: other weights for the same function, which int8 represents better."""
