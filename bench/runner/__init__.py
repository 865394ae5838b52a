"""Our runner: one C program on LiteRT that times models, and all that is needed to build and start it."""
