"""A trained network as every method gets it: one float ONNX file, one float .tflite, one set of logits."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.base.files import file_sha256, safe_stem
from mobiledeploy.bench.evaluation.accuracy.figures import logits
from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs
from mobiledeploy.bench.evaluation.arguments import option
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.sources.open_source import open_source
from mobiledeploy.sources.source import INPUT_NAME, ModelOptions

__all__ = ["FloatNetwork", "Request", "request"]

_OPTION = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Request:
    """A network that was asked for.

    Attributes:
        name: A name of the registry, or path/to/file.py:factory.
        options: Options of the function that builds it.
        weights: File of its state_dict; None for the official weights.
    """

    name: str
    options: Mapping[str, float | str] = field(default_factory=dict)
    weights: Path | None = None

    def __str__(self) -> str:
        # Of a user's own path/to/file.py:factory only the last part: what is published names no folders.
        name = self.name.rpartition("/")[2]
        return " ".join([name, *(f"{name}={value}" for name, value in self.options.items())])

    def weights_sha256(self) -> str:
        """Hash of the weights file; without one, of the user's own Python file, or "official".

        Raises:
            InputError: It is missing.
        """
        if self.weights is None:
            path = Path(self.name.rpartition(":")[0])
            return file_sha256(path) if path.is_file() else "official"
        if not self.weights.is_file():
            raise InputError(f"{self.weights} does not exist, expected trained weights of {self.name}")
        return file_sha256(self.weights)


def request(text: str) -> Request:
    """NAME[,OPTION=VALUE...][,WEIGHTS.pt], for argparse."""
    name, *rest = text.split(",")
    options: dict[str, float | str] = {}
    while rest and _OPTION.match(rest[0]):
        key, value = option(rest.pop(0))
        options[key] = value
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r}, expected NAME[,OPTION=VALUE...][,WEIGHTS.pt]")
    return Request(name, options, Path(",".join(rest)) if rest else None)


class FloatNetwork:
    """A network with its files and logits, each made once, when the first method asks for it.

    Args:
        folder: Where the float files go.
    """

    def __init__(self, asked: Request, inputs: Inputs, folder: Path) -> None:
        self.request, self.inputs = asked, inputs
        self.folder = folder / safe_stem(str(asked))

    @cached_property
    def files(self) -> dict[str, Path]:
        """Float files: "onnx", with NCHW input, and "fp32", our .tflite.

        Raises:
            MobileDeployError: The network cannot be exported, or not without errors.
        """
        result = mobiledeploy.export(
            self.request.name,
            weights=self.request.weights,
            size=self.inputs.size,
            options=self.request.options,
            calibration=self.inputs.stored.for_export,
            seed=self.inputs.stored.seed,
            out=self.folder / "float",
        )
        if result.report.failures:
            raise InputError(
                f"the float artifacts of {self.request} are not right ({result.report.failures[0]}), "
                "expected ones to quantize; please report this"
            )
        return result.artifacts

    @property
    def module(self) -> nn.Module:
        """The network in PyTorch, in evaluation mode."""
        size = (self.inputs.size, self.inputs.size)
        weights = None if self.request.weights is None else str(self.request.weights)
        options = ModelOptions(
            weights=weights, size=size, options=self.request.options, seed=self.inputs.stored.seed
        )
        module = open_source(self.request.name, options).module
        assert module is not None
        return module

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """Logits of our float .tflite, which the export has held against PyTorch: (images, classes).

        Raises:
            InputError: The network has not the classes that the images have.
        """
        found = logits(TfliteSession(self.files["fp32"], nhwc=True), INPUT_NAME, self.inputs.images())
        classes = len(self.inputs.validation.names)
        if found.ndim != 2 or found.shape[1] != classes:
            raise InputError(
                f"{self.request} gives {found.shape[1:]} numbers for an image, expected the {classes} of the "
                "validation images' classes; pass weights that were trained on them"
            )
        return found
