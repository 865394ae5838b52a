"""JSON strictly within the standard, which has no infinity and no NaN."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["as_json", "without_infinities"]


def as_json(value: Any) -> str:
    """Return plain data as one JSON document."""
    return json.dumps(without_infinities(value), indent=2, allow_nan=False) + "\n"


def without_infinities(value: Any) -> Any:
    """Return plain data with the strings "inf", "-inf" and "nan" for the numbers that JSON cannot hold."""
    if isinstance(value, dict):
        return {str(key): without_infinities(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_infinities(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
