"""Networks that classify, one architecture a file."""
