"""What a measurement runs on: this host, phones, emulated Arm cores."""
