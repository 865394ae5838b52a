"""What quantization does to the accuracy of trained networks: ours and other tools', in one table."""
