"""int8 and float in one graph."""
