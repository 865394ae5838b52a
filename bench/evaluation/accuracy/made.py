"""What a method hands over to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Made"]


@dataclass(frozen=True)
class Made:
    """Attributes:
    path: A .tflite, or a QDQ .onnx.
    seconds: Of quantization alone.
    versions: Package -> version, of the packages that made it.
    """

    path: Path
    seconds: float
    versions: Mapping[str, str] = field(default_factory=dict)
