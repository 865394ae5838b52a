"""The names that --calibrator takes, and how to add one. The built-in methods are in ranges.py beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from mobiledeploy.quantize.calibrate.histogram import Histogram

__all__ = [
    "CALIBRATORS",
    "DEFAULT_CALIBRATOR",
    "SEARCH",
    "Calibrator",
    "Method",
    "register_calibrator",
    "registered_methods",
]

Calibrator = Literal["cubed", "mse", "min-max", "moving-average", "percentile", "entropy", "search"]

DEFAULT_CALIBRATOR: Calibrator = "cubed"

SEARCH = "search"
"""The calibrator that chooses among the others, group by group, by the error at the network's outputs."""

Method = Callable[["Histogram"], tuple[float, float]]
"""From what was seen of a tensor to (low, high), the real numbers that int8 shall cover."""

_METHODS: dict[str, Method | None] = dict.fromkeys(get_args(Calibrator))

CALIBRATORS: Collection[str] = _METHODS.keys()
"""All names, those that are registered later among them."""


def register_calibrator(name: str, method: Method) -> None:
    """Let ``--calibrator`` take another name; "search" tries its ranges, too.

    Raises:
        ValueError: The name is taken.
    """
    if name in _METHODS:
        raise ValueError(f"there is a calibrator {name!r} already, expected another name")
    _METHODS[name] = method


def registered_methods() -> Mapping[str, Method]:
    """The methods that ``register_calibrator`` has added, by name."""
    return {name: method for name, method in _METHODS.items() if method is not None}
