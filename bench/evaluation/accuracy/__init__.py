"""The accuracy of trained networks after quantization, ours and other tools', in one table."""
