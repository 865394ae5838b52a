"""A network that is to be exported, and the options that a user has for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.options import Converted, Options, UnfitError, named_value, number, option, whole
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.spec import Conventions
from mobiledeploy.tasks.tensors import Tensors

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

__all__ = ["INPUT_NAME", "ModelOptions", "Source", "WeightsRecord", "module_sha256"]

INPUT_NAME = "image"
_LONGEST_SIDE = 4096  # pixels; more is a slip of the finger, and takes gigabytes before it fails


def _size(value: int | str | Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of "224", "160x224", 224 or (160, 224)."""
    parts = str(value).lower().split("x") if isinstance(value, int | str) else list(value)
    sides = [int(part) for part in parts if str(part).isdecimal() and 0 < int(part) <= _LONGEST_SIDE]
    if len(sides) != len(parts) or len(sides) not in (1, 2):
        raise UnfitError(f"N or HEIGHTxWIDTH in pixels, such as 224, with sides of up to {_LONGEST_SIDE}")
    return sides[0], sides[-1]


def _named_values(given: Mapping[str, float | str] | Iterable[str] | None) -> dict[str, float | str]:
    """Return values by name, of texts such as "partition=exponential" or of a mapping."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    return dict(named_value(text) for text in given)


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """Options that say which network is exported, and how it is built.

    Attributes:
        seed: random seed of the initial weights and of the images that their batch norm is recalibrated on.
        weights_timeout_s: seconds to wait for the host of official weights.
    """

    title: ClassVar[str] = "the network"

    weights: Converted[str | Path | None, str | None] = option(
        None,
        str,
        metavar="FILE|ENTRY|imagenet|random",
        help="a state_dict or checkpoint, published weights by the name of their entry, the preferred ones "
        "of these, or initial weights",
        unset="imagenet if it can be had, else random with a warning",
        recorded=False,
    )
    weights_as: str | None = option(
        metavar="ENTRY",
        help="the published weights whose padding, batch norm and preprocessing FILE was trained with; "
        "`mobiledeploy list --json` has the entries",
        unset="told by its hash and keys",
        recorded=False,
    )
    weights_host: str | None = option(
        metavar="URL",
        help="a mirror to download official weights from",
        unset="the publisher's host",
        recorded=False,
    )
    size: Converted[int | Sequence[int] | None, tuple[int, int] | None] = option(
        None, _size, metavar="N|HxW", help="input size in pixels", unset="the network's own"
    )
    num_classes: int | None = option(
        None,
        whole(1),
        metavar="N",
        help="size of the head",
        unset="that of the weights, or the network's own",
    )
    width_mult: float | None = option(
        None,
        number,
        metavar="X",
        help="width multiplier",
        unset="1, or that of the weights entry",
    )
    options: Converted[Mapping[str, float | str] | None, dict[str, float | str]] = option(
        (),
        _named_values,
        flag="--option",
        metavar="NAME=VALUE",
        help="other options of the network, such as partition=exponential of mixnet_s",
    )
    seed: int = 0
    weights_timeout_s: float = 5.0

    def for_factory(self) -> dict[str, float | str]:
        """Return the keywords for the function that builds the network.

        Raises:
            InputError: One thing is asked for twice.
        """
        asked = {"num_classes": self.num_classes, "width_mult": self.width_mult}
        given = {name: value for name, value in asked.items() if value is not None}
        if twice := given.keys() & self.options.keys():
            raise InputError(f"{twice.pop()} is given twice, expected it once; leave --option out")
        return {**given, **self.options}


@dataclass(frozen=True)
class WeightsRecord:
    """Record of the weights that a network got.

    Attributes:
        kind: origin: "file", "imagenet", "random", "factory" (as the user's code made them) or "onnx".
        description: line for the report.
        sha256: SHA-256 (hex) of the weights file; for others, of all parameters and buffers in order.
        entry: name of the weights entry that they are, or are taken for; None where there is none.
        conventions: conventions that the network was built with for them; None outside the registry.
    """

    kind: str
    description: str
    sha256: str
    entry: str | None = None
    conventions: Conventions | None = None


@dataclass
class Source:
    """A network ready for export: either a module, in evaluation mode, or an ONNX graph.

    Attributes:
        name: stem of the artifacts' names.
        inputs: input name -> shape, batch 1, images NCHW.
        quantized: whether the graph is QDQ already.
        file: ONNX file that it comes from.
        task: name of the task that it is for; "tensors" where that is not known.
        preprocessing: what the network wants done to an image; None where that is not known.
        facts: figures of the network for the report.
        warnings: sentences that the user should know about it.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    weights: WeightsRecord
    module: nn.Module | None = None
    model: ir.Model | None = None
    quantized: bool = False
    file: Path | None = None
    preprocessing: Preprocessing | None = None
    task: str = Tensors.name
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def module_sha256(module: nn.Module) -> str:
    """Return the SHA-256 (hex) of all parameters and buffers in order."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
