"""The measurement of latency: protocol, samples, statistics, stability."""
