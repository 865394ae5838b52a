"""How latency is measured: protocol, samples, statistics, stability."""
