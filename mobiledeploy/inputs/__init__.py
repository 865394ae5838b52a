"""Images and arrays, and how they become a network's inputs."""
