"""An emulated Arm CPU: how many AArch64 instructions an inference takes, in total and op by op."""
