"""The kinds of TFLite artifact that an export can write, by the precision of what is stored and computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mobiledeploy.base.errors import InputError
from mobiledeploy.runtime.targets import Precision

__all__ = ["KINDS", "Kind", "PrecisionKind", "choose_kinds"]

PrecisionKind = Literal["fp32", "fp16", "int8", "int8-dynamic", "int16x8"]


@dataclass(frozen=True)
class Kind:
    """What a kind of artifact needs on its way.

    Attributes:
        form: In which precision the network is rewritten for the target.
        activations: Their type, if they are integers: it is calibrated then, and goes through a QDQ graph.
        io: Integer types that its inputs and outputs can have.
        stored_as: Type of the weights where activations are float.
        qdq: What the QDQ graph is called among the artifacts.
    """

    form: Precision
    activations: Literal["float32", "int8", "int16"] = "float32"
    io: tuple[str, ...] = ()
    stored_as: Literal["float32", "float16", "int8"] = "float32"
    qdq: str = ""

    @property
    def quantized(self) -> bool:
        """Whether activations are integers."""
        return self.activations != "float32"


KINDS: MappingProxyType[PrecisionKind, Kind] = MappingProxyType(
    {
        "fp32": Kind("float32"),
        "fp16": Kind("float32", stored_as="float16"),
        "int8": Kind("int8", "int8", io=("int8", "uint8"), qdq="qdq"),
        "int8-dynamic": Kind("float32", stored_as="int8"),
        "int16x8": Kind("int16", "int16", io=("int16",), qdq="qdq_int16x8"),
    }
)
"""In the order in which they are written and shown."""


def choose_kinds(names: Iterable[str]) -> tuple[PrecisionKind, ...]:
    """The kinds of those names, each of which may be several joined by commas, and fp32, in order.

    Raises:
        InputError: There is no such kind.
    """
    asked = [name.strip() for text in names for name in text.split(",")]
    for name in asked:
        if name not in KINDS:
            raise InputError(
                f"--precision is {name!r}, expected one or more of {', '.join(KINDS)}; join them with commas"
            )
    return tuple(kind for kind in KINDS if kind == "fp32" or kind in asked)
