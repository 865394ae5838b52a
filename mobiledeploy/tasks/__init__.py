"""Tasks, which are what networks are for: what its outputs mean, and how they are judged."""
