"""The names that --calibrator takes. What they do is in quantize/calibrate/ranges.py and search_ranges.py."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["CALIBRATORS", "DEFAULT_CALIBRATOR", "SEARCH", "Calibrator"]

Calibrator = Literal["cubed", "mse", "min-max", "moving-average", "percentile", "entropy", "search"]

CALIBRATORS: tuple[str, ...] = get_args(Calibrator)

DEFAULT_CALIBRATOR: Calibrator = "cubed"

SEARCH = "search"
"""The calibrator that chooses among the others, group by group, by the error at the network's outputs."""
