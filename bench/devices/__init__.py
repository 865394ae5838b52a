"""The places to measure on: this host, phones, emulated Arm cores."""
