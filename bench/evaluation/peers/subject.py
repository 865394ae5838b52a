"""What both sides get: one network with its weights, and one set of inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.peers.compare import Labelled
from mobiledeploy.inputs.labelled_images import LabelledImages
from mobiledeploy.inputs.open_inputs import InputSource, open_inputs
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.sources.open_source import open_source
from mobiledeploy.sources.source import ModelOptions
from mobiledeploy.tasks.class_folders import labelled_by_class

__all__ = ["Subject", "evaluation_inputs", "prepare"]


@dataclass(frozen=True)
class Subject:
    """A network to export by both sides.

    Attributes:
        name: stem of the artifacts' names.
        network: in evaluation mode.
        weights_sha256: of the weights, as an export's report states it.
        input_name: of the only input.
        shape: of the only input, (1, C, H, W).
        preprocessing: of images; None if the network has none of its own.
        inputs: .npz with all samples, (count, C, H, W) float32.
        source: the same samples, split as an export with these settings splits them.
    """

    name: str
    network: nn.Module
    weights_sha256: str
    input_name: str
    shape: tuple[int, ...]
    preprocessing: Preprocessing | None
    inputs: Path
    source: InputSource

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's output for (1, C, H, W), computed by PyTorch."""
        with torch.no_grad():
            output: NDArray[np.float32] = self.network(torch.from_numpy(image)).numpy()
        return output

    @property
    def calibration(self) -> list[NDArray[np.float32]]:
        """The samples that an export calibrates with, each (1, C, H, W)."""
        return [sample[self.input_name] for sample in self.source.calibration]


def prepare(
    model: str,
    options: ModelOptions,
    folder: Path,
    *,
    calibration: Path | None = None,
    samples: int = 64,
    crop: bool = True,
) -> Subject:
    """Build a network, draw its inputs, and write them to inputs.npz in `folder`.

    Args:
        model: what `mobiledeploy export` takes, ONNX files excepted.
        options: as for an export; the seed is also that of the choice of samples.
        folder: made if it is not there.
        calibration: folder of images, .npy or .npz; None: generated images.
        samples: how many to calibrate with.
        crop: whether images are cropped as the network's preprocessing says; else they are resized to the
            input size as they are.

    Raises:
        InputError: no such network, one that is no PyTorch module or has several inputs, or no usable inputs.
    """
    origin = open_source(model, options)
    if origin.module is None or len(origin.inputs) != 1:
        raise InputError(
            f"{model} is an ONNX file or has {len(origin.inputs)} inputs, expected a PyTorch network of one "
            "input; the peers take no other"
        )
    ((name, shape),) = origin.inputs.items()
    preprocessing = origin.preprocessing
    if preprocessing is not None and not crop:
        preprocessing = replace(preprocessing, resize=None)

    drawn = open_inputs(calibration, origin.inputs, preprocessing, samples, options.seed)
    kept = [sample[name] for part in (drawn.calibration, drawn.held_back) for sample in part]
    folder.mkdir(parents=True, exist_ok=True)
    stored = folder / "inputs.npz"
    # One unnamed array fits the only input, whatever its name.
    np.savez(stored, np.concatenate(kept))
    return Subject(
        name=origin.name,
        network=origin.module.eval(),
        weights_sha256=origin.weights.sha256,
        input_name=name,
        shape=shape,
        preprocessing=preprocessing,
        inputs=stored,
        # Opened again as an export opens it, so that both sides calibrate with the same part.
        source=open_inputs(stored, origin.inputs, preprocessing, samples, options.seed),
    )


def evaluation_inputs(
    subject: Subject, validation: Path | None = None, evaluation: Path | None = None
) -> Iterator[Labelled]:
    """Inputs to compare outputs on: labelled images, else images without labels, else what was held back.

    Args:
        subject: whose network they are for.
        validation: folder of labelled images.
        evaluation: folder of images, .npy or .npz; all that it holds.

    Raises:
        InputError: nothing usable there.
    """
    shapes = {subject.input_name: subject.shape}
    if validation is not None:
        classes = subject(np.zeros(subject.shape, np.float32)).size
        entries = labelled_by_class(validation, classes)
        for sample, label in LabelledImages(validation, entries, shapes, subject.preprocessing):
            yield sample[subject.input_name], label
        return
    samples = subject.source.held_back
    if evaluation is not None:
        everything = 2**31
        samples = open_inputs(
            evaluation, shapes, subject.preprocessing, everything, seed=0, held_back=0
        ).calibration
    for sample in samples:
        yield sample[subject.input_name], None
