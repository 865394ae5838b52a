"""Checks a network before the exporters see it, so that its faults are told in its own terms."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from mobiledeploy.base.errors import InputError
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.runtime.evaluation_mode import evaluating

__all__ = ["input_shape", "require_module", "require_runnable"]


def require_module(name: str, built: object) -> nn.Module:
    """Return what a factory returned, if it is a module that can be exported.

    Raises:
        InputError: It is something else, takes more than one input, has parameters that are not float32 on
            the CPU, or a `preprocessing` that is not of our class.
    """
    if not isinstance(built, nn.Module):
        raise InputError(f"{name} returned {type(built).__name__}, expected an nn.Module; return the network")
    _require_one_input(name, built)
    for key, tensor in (*built.named_parameters(), *built.named_buffers()):
        _require_float32_on_cpu(f"{key} of {name}", tensor)
    preprocessing = getattr(built, "preprocessing", None)
    if not isinstance(preprocessing, Preprocessing | None):
        raise InputError(
            f"the attribute preprocessing of {name} is a {type(preprocessing).__name__}, expected a "
            "mobiledeploy.inputs.preprocessing.Preprocessing; use that, or rename the attribute"
        )
    return built


def _require_one_input(name: str, module: nn.Module) -> None:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(module.forward).parameters.values()
    needed = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if len(needed) > 1:
        raise InputError(
            f"forward of {name} takes {len(needed)} inputs ({', '.join(needed)}), expected one image; wrap "
            "it in a module that takes one, or export it to ONNX yourself and pass the .onnx file"
        )


def _require_float32_on_cpu(name: str, tensor: Tensor) -> None:
    if is_lazy(tensor):
        raise InputError(
            f"{name} has no shape yet, expected a network that has run; run it on an image before"
        )
    if tensor.is_floating_point() and tensor.dtype != torch.float32:
        dtype = str(tensor.dtype).removeprefix("torch.")
        raise InputError(f"{name} is {dtype}, expected float32; return the network after .float()")
    if tensor.device.type != "cpu":
        raise InputError(f"{name} is on {tensor.device}, expected cpu; return the network after .cpu()")


def input_shape(name: str, module: nn.Module, size: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """Return (1, C, H, W) from --size, else from the module's attributes `input_size` and `input_channels`.

    Raises:
        InputError: Neither is there, or they are no sizes.
    """
    found: object = size or getattr(module, "input_size", None)
    if found is None:
        raise InputError(
            f"{name} does not say its input size, expected --size, or an attribute `input_size = (height, "
            "width)` on the module that it returns; pass --size"
        )
    sides = (found, found) if isinstance(found, int) else found
    channels = getattr(module, "input_channels", 3)
    if not isinstance(sides, Sequence) or len(sides) != 2 or not all(map(_is_size, (*sides, channels))):
        raise InputError(
            f"{name} has input_size {found!r} and input_channels {channels!r}, expected (height, width) in "
            "pixels and a number of channels; correct them, or pass --size"
        )
    return (1, channels, sides[0], sides[1])


def _is_size(value: object) -> bool:
    return isinstance(value, int) and value > 0


def require_runnable(name: str, module: nn.Module, shape: tuple[int, ...]) -> None:
    """Run the module once.

    Raises:
        InputError: It fails on an input of that shape, or returns something else than float32 tensors.
    """
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    try:
        with evaluating(module):
            outputs = tree_leaves(module(image))
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            f"{name} fails on an input of {shape} ({reason}{_innermost_line(error)}), expected a network "
            "that takes it; pass the --size that it is made for, or correct it"
        ) from error
    others = [_kind(value) for value in outputs if _kind(value) != "float32"]
    if others or not outputs:
        raise InputError(
            f"forward of {name} returned {', '.join(others) or 'nothing'}, expected float32 tensors, alone "
            "or in a tuple, list or dict; return those"
        )


def _kind(value: object) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__


def _innermost_line(error: Exception) -> str:
    """Return where the user's code failed, which is the last place outside torch."""
    torch_folder = Path(torch.__file__).parent
    places = [
        f", {Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if torch_folder not in Path(frame.filename).parents and frame.filename != __file__
    ]
    return places[-1] if places else ""
