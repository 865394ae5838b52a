"""Which values are quantized, with which parameters, and the graph that says so."""
