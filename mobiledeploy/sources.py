"""Where a network comes from: the registry, the user's own Python file, or an ONNX file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobiledeploy.errors import InputError, WeightsError
from mobiledeploy.models.registry import create, resolve
from mobiledeploy.models.spec import ModelSpec, Preprocessing, WeightsEntry

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

__all__ = ["ModelOptions", "Source", "WeightsRecord", "open_source"]

INPUT_NAME = "image"
_SETTLING_IMAGES = 16


@dataclass(frozen=True)
class ModelOptions:
    """What the user may say about the network.

    Attributes:
        weights: A file, "imagenet", "random", or None for imagenet if it can be had, else random.
        size: (height, width) of the input; None for the network's own.
        num_classes: Size of the head; None for the network's own, or that of the weights file.
        width_mult: Width multiplier; None for 1.
        seed: Of initial weights and the images that settle them.
        weights_host: Where official weights are downloaded from; None for the publisher's host.
        weights_timeout_s: Seconds to wait for that host.
    """

    weights: str | None = None
    size: tuple[int, int] | None = None
    num_classes: int | None = None
    width_mult: float | None = None
    seed: int = 0
    weights_host: str | None = None
    weights_timeout_s: float = 5.0


@dataclass(frozen=True)
class WeightsRecord:
    """Which weights a network got.

    Attributes:
        kind: "file", "imagenet", "random", "factory" (as the user's code made them) or "onnx".
        description: A line for the report.
        sha256: Of the weights file; for others, of all parameters and buffers in order.
    """

    kind: str
    description: str
    sha256: str


@dataclass
class Source:
    """A network ready for export: either a module or an ONNX graph.

    Attributes:
        name: Stem of the artifacts' names.
        inputs: Input name -> shape, batch 1, images NCHW.
        preprocessing: What the network wants done to an image; None if nobody said.
        facts: Figures of the network for the report.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    weights: WeightsRecord
    module: nn.Module | None = None
    model: ir.Model | None = None
    preprocessing: Preprocessing | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def open_source(text: str, options: ModelOptions) -> Source:
    """A network by registry name, ``path/to/file.py:factory``, or path to an .onnx file.

    Raises:
        InputError: No such network, file or factory, or options that it does not take.
        WeightsError: The weights cannot be had or do not fit.
        UnsupportedModelError: An ONNX file with dynamic shapes.
    """
    path, _, factory = text.rpartition(":")
    if factory and path.endswith(".py"):
        return _from_python(Path(path), factory, options)
    if text.endswith(".py"):
        raise InputError(f"{text} names no factory, expected {text}:FACTORY, a callable that returns an nn.Module")
    if text.endswith(".onnx"):
        return _from_onnx(Path(text), options)
    return _from_registry(resolve(text), options)


# The registry


def _from_registry(spec: ModelSpec, options: ModelOptions) -> Source:
    from mobiledeploy.models.counts import count_multiply_adds, count_parameters

    size = options.size or spec.input_size
    inputs = {INPUT_NAME: (1, 3, *size)}
    module, weights, entry, warnings = _with_weights(spec, options, size)
    preprocessing = (entry or spec).preprocessing
    return Source(
        name=spec.name,
        inputs=inputs,
        weights=weights,
        module=module,
        preprocessing=_scaled(preprocessing, spec.input_size, size),
        facts={
            "paper": spec.paper,
            "task": spec.task,
            "parameters": count_parameters(module),
            "multiply_adds": count_multiply_adds(module, inputs[INPUT_NAME]),
            "width_mult": options.width_mult or 1.0,
        },
        warnings=warnings,
    )


def _scaled(preprocessing: Preprocessing, own: tuple[int, int], size: tuple[int, int]) -> Preprocessing:
    """The resize in proportion to the input size."""
    from dataclasses import replace

    if preprocessing.resize is None or size == own:
        return preprocessing
    return replace(preprocessing, resize=round(preprocessing.resize * min(size) / min(own)))


def _with_weights(
    spec: ModelSpec, options: ModelOptions, size: tuple[int, int]
) -> tuple[nn.Module, WeightsRecord, WeightsEntry | None, list[str]]:
    from mobiledeploy.models.weights import apply_state_dict, head_classes, load_state_dict

    asked: dict[str, int | float] = {}
    if options.num_classes is not None:
        asked["num_classes"] = options.num_classes
    if options.width_mult is not None:
        asked["width_mult"] = options.width_mult

    if options.weights not in (None, "imagenet", "random"):
        path = Path(options.weights)
        state = load_state_dict(path)
        classes = head_classes(spec, state)
        if classes is not None:
            asked.setdefault("num_classes", classes)
        module = create(spec.name, **asked)
        apply_state_dict(module, state, str(path))
        return module, WeightsRecord("file", f"{path.name}", _file_sha256(path)), None, []

    warnings = []
    if options.weights != "random":
        try:
            module, record, entry = _official(spec, asked, options)
            return module, record, entry, []
        except WeightsError as error:
            if options.weights == "imagenet":
                raise
            warnings.append(
                f"trained weights cannot be had ({error}): the network has initial weights (seed {options.seed}), "
                "so accuracy and SQNR say little; pass --weights FILE"
            )
    module = _initial(spec, asked, options.seed, size)
    description = f"initial weights, seed {options.seed}, batch norm settled on generated images"
    return module, WeightsRecord("random", description, _module_sha256(module)), None, warnings


def _official(
    spec: ModelSpec, asked: Mapping[str, int | float], options: ModelOptions
) -> tuple[nn.Module, WeightsRecord, WeightsEntry]:
    from mobiledeploy.models.download import OFFICIAL_HOST, default_cache, fetch
    from mobiledeploy.models.weights import apply_state_dict, load_state_dict

    entry = next(iter(spec.weights), None)
    wanted = {"width_mult": 1.0, "num_classes": entry.num_classes if entry else spec.num_classes} | dict(asked)
    if entry is None or wanted["width_mult"] != 1 or wanted["num_classes"] != entry.num_classes:
        raise WeightsError(f"no official weights of {spec.name} have {wanted}; pass --weights FILE")
    host = options.weights_host or OFFICIAL_HOST
    path = fetch(entry, host=host, cache=default_cache(), timeout_s=options.weights_timeout_s)
    module = create(spec.name, **asked)
    apply_state_dict(module, load_state_dict(path), entry.name)
    return module, WeightsRecord("imagenet", f"{entry.name} ({entry.file_name})", _file_sha256(path)), entry


def _initial(
    spec: ModelSpec, asked: Mapping[str, int | float], seed: int, size: tuple[int, int]
) -> nn.Module:
    import torch

    from mobiledeploy.data import open_inputs
    from mobiledeploy.models.settle import settle_batch_norm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = create(spec.name, **asked)
    preprocessing = _scaled(spec.preprocessing, spec.input_size, size)
    images = open_inputs(None, {INPUT_NAME: (1, 3, *size)}, preprocessing, _SETTLING_IMAGES, seed)
    settle_batch_norm(module, [torch.from_numpy(s[INPUT_NAME]) for s in images.calibration])
    return module


# The user's own Python file


def _from_python(path: Path, factory: str, options: ModelOptions) -> Source:
    from mobiledeploy.models.weights import apply_state_dict, load_state_dict

    module = _call_factory(path, factory, options)
    size = options.size or getattr(module, "input_size", None)
    if size is None:
        raise InputError(
            f"{path}:{factory} does not say its input size, expected --size, or an attribute "
            "`input_size = (height, width)` on the module it returns"
        )
    if isinstance(size, int):
        size = (size, size)
    channels = int(getattr(module, "input_channels", 3))
    weights = WeightsRecord("factory", f"as {factory} made them", _module_sha256(module))
    if options.weights in ("imagenet", "random"):
        raise InputError(f"--weights {options.weights} is for networks of the registry; pass a file, or nothing")
    if options.weights is not None:
        file = Path(options.weights)
        apply_state_dict(module, load_state_dict(file), str(file))
        weights = WeightsRecord("file", file.name, _file_sha256(file))
    return Source(
        name=factory,
        inputs={INPUT_NAME: (1, channels, int(size[0]), int(size[1]))},
        weights=weights,
        module=module.eval(),
        preprocessing=getattr(module, "preprocessing", None),
    )


def _call_factory(path: Path, factory: str, options: ModelOptions) -> nn.Module:
    import torch
    from torch import nn

    if not path.is_file():
        raise InputError(f"{path}: no such file, expected Python code with a factory {factory!r}")
    arguments = {"num_classes": options.num_classes, "width_mult": options.width_mult}
    given = {name: value for name, value in arguments.items() if value is not None}
    with _users_code(path), torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        code = _import(path)
        build = getattr(code, factory, None)
        if not callable(build):
            there = ", ".join(n for n, v in vars(code).items() if callable(v) and not n.startswith("_"))
            raise InputError(f"{path} has no callable {factory!r}, expected one of: {there or 'none is there'}")
        module = build(**given)
    if not isinstance(module, nn.Module):
        raise InputError(f"{path}:{factory} returned {type(module).__name__}, expected an nn.Module")
    return module


def _import(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"mobiledeploy_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    spec.loader.exec_module(code)
    return code


@contextmanager
def _users_code(path: Path) -> Iterator[None]:
    """Lets the file import its neighbours, and reports its exceptions by line instead of as our traceback."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
        line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else None)
        where = f"{path}:{line}" if line else str(path)
        raise InputError(f"{where} raised {type(error).__name__}: {error}; fix it there") from error
    finally:
        sys.path.remove(folder)


# ONNX


def _from_onnx(path: Path, options: ModelOptions) -> Source:
    from mobiledeploy.exporters.onnx_graph import load_onnx, static_inputs

    named = {
        "--weights": options.weights,
        "--size": options.size,
        "--num-classes": options.num_classes,
        "--width-mult": options.width_mult,
    }
    given = [name for name, value in named.items() if value is not None]
    if given:
        raise InputError(f"{', '.join(given)} cannot change {path}, an ONNX file is exported as it is; leave it out")
    model = load_onnx(path)
    return Source(
        name=path.stem,
        inputs=static_inputs(model),
        weights=WeightsRecord("onnx", path.name, _file_sha256(path)),
        model=model,
    )


# Hashes


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _module_sha256(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()
