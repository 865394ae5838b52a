"""Settings that hold for every test."""

from __future__ import annotations

import os

# One thread a process: tests run on small machines, several at a time, and their sums come out in one order.
# Set here, before any test imports torch or ONNX Runtime, so that tests which need neither import neither.
os.environ.setdefault("OMP_NUM_THREADS", "1")
