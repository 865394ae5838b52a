"""What a network is for: what its outputs mean, and how they are judged."""
