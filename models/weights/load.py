"""Reading weights files that anyone may have written, and putting them into a network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import WeightsError
from mobiledeploy.models.spec import ModelSpec
from mobiledeploy.models.weights.download import default_cache, fetch
from mobiledeploy.models.weights.layouts import head_key, publisher_of, with_own_keys

__all__ = ["apply_state_dict", "default_cache", "fetch", "head_classes", "load_state_dict"]

# Where training scripts put the state_dict in their checkpoints, in the order in which we look.
_ENTRIES = "state_dict", "model", "model_state_dict", "net", "ema", "model_ema", "state_dict_ema"
# What wrappers put before every key: DataParallel and AveragedModel, torch.compile.
_PREFIXES = "module.", "_orig_mod."
_SHOWN_KEYS = 8
# How torch names the function or class that a pickle would have imported, had we allowed it.
_REFUSED_NAME = re.compile(r"GLOBAL ([\w.]+)")

_WANT = "expected a file written by torch.save"
_REMEDY = "save it as torch.save(model.state_dict(), 'weights.pt')"


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a state_dict, or of a checkpoint that holds one, on the CPU. No code in it is run.

    Prefixes that wrappers put before every key ("module.") are taken off.

    Raises:
        WeightsError: no such file, not one of torch.save, damaged, with code in it, or without tensors.
    """
    _check_readable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle versions; what a user can act on is in our errors
            content = torch.load(path, map_location="cpu", weights_only=True)
    # Damaged bytes fail anywhere in the unpickler, and not only with its own errors: KeyError, IndexError ...
    except Exception as error:
        raise WeightsError(f"weights file {path} {_why_unreadable(path, error)}") from error
    state = _find_state_dict(content)
    if not state:
        raise WeightsError(
            f"weights file {path} holds no tensors by name, expected a state_dict, or a checkpoint with one "
            f"under {', '.join(_ENTRIES[:3])}; {_REMEDY}"
        )
    return _without_prefixes(state)


def head_classes(spec: ModelSpec, state: Mapping[str, Tensor]) -> int | None:
    """Number of classes that a state_dict's head has; None where `state` has no head of this network."""
    head = state.get(head_key(spec, publisher_of(state)))
    return None if head is None or head.ndim == 0 else head.shape[0]


def apply_state_dict(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Copy `state` into `module`. Keys and shapes must be the same, but `num_batches_tracked` may be missing.

    Keys of a publisher that are known here are replaced by the module's own before.

    Args:
        origin: where the tensors are from, for the message.

    Raises:
        WeightsError: they do not fit; the message lists keys. `module` is left as it was.
    """
    state = with_own_keys(module, state)
    own = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    shared = own.keys() & state.keys()
    reshaped = [key for key in shared if own[key].shape != state[key].shape]
    faults = {
        "missing": [key for key in own.keys() - shared if not key.endswith("num_batches_tracked")],
        "not in the network": list(state.keys() - shared),
        "of another shape": [
            f"{key} {list(state[key].shape)} for {list(own[key].shape)}" for key in reshaped
        ],
    }
    if any(faults.values()):
        message = (
            f"weights {origin} have {len(shared) - len(reshaped)} of the {len(own)} tensors of "
            f"{type(module).__name__}, expected all of them and no others; name the network that they were "
            "trained for, with its num_classes and width_mult"
        )
        lists = [f"  {len(keys)} {fault}: {_some(keys)}" for fault, keys in faults.items() if keys]
        raise WeightsError("\n".join([message, *lists]))
    module.load_state_dict(dict(state), strict=False)


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise WeightsError(f"weights file {path} is a folder, {_WANT}; name the file in it")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise WeightsError(f"weights file {path} does not exist, {_WANT}; check the path") from error
    except OSError as error:
        raise WeightsError(f"weights file {path} gives {error.strerror!r}, {_WANT}; check it") from error
    if empty:
        raise WeightsError(f"weights file {path} is empty, {_WANT}; copy it again")


def _why_unreadable(path: Path, error: Exception) -> str:
    if code := _REFUSED_NAME.search(str(error)):
        return f"holds code ({code[1]}), which was not run, expected tensors alone; {_REMEDY}"
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((b"PK", b"\x80")):  # a zip archive, a pickle: the two forms of torch.save
        return f"is damaged, or a pickle that torch.save did not write, {_WANT}; copy it again, or {_REMEDY}"
    return f"is of another kind, {_WANT}; {_REMEDY}"


def _find_state_dict(content: object) -> dict[str, Tensor]:
    """The tensors by name in a checkpoint's known entries, else at its top; empty where there are none."""
    if not isinstance(content, Mapping):
        return {}
    for candidate in (*(content.get(entry) for entry in _ENTRIES), content):
        if isinstance(candidate, Mapping):
            state = {key: value for key, value in candidate.items() if isinstance(value, Tensor)}
            if state and all(isinstance(key, str) for key in state):
                return state
    return {}


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    state = {key: value for key, value in state.items() if key != "n_averaged"}  # AveragedModel's own counter
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _some(keys: list[str]) -> str:
    rest = len(keys) - _SHOWN_KEYS
    return ", ".join(sorted(keys)[:_SHOWN_KEYS]) + (f" and {rest} more" if rest > 0 else "")
