"""One TFLite file on LiteRT, one thread, fed with the network's own NCHW inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.errors import InputError
from mobiledeploy.runtimes import TfliteSession

__all__ = ["Artifact", "in_layout"]


class Artifact:
    """A TFLite file of one input and one output, on LiteRT as it is by default (XNNPACK) with one thread.

    Attributes:
        path: the file.
        partitions: number of XNNPACK partitions the interpreter makes of it.
    """

    def __init__(self, path: Path) -> None:
        """Load and prepare.

        Raises:
            InputError: the file is no TFLite file, or has several inputs or outputs.
        """
        self.path = path
        self._session = TfliteSession(path)
        inputs, outputs = self._session.inputs, self._session.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise InputError(
                f"{path} has {len(inputs)} inputs and {len(outputs)} outputs, expected one of each; "
                "compare networks of one input and one output"
            )
        ((self._input, details),) = inputs.items()
        self._shape = tuple(int(side) for side in details["shape"])
        # The interpreter appends one node per partition; the Python binding has no public call for them.
        nodes = self._session.interpreter._get_ops_details()
        self.partitions = sum(node["op_name"] == "DELEGATE" for node in nodes)

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output for (1, C, H, W) float32, dequantized, in the artifact's output shape.

        Raises:
            InputError: the shape fits the artifact neither as NCHW nor as NHWC.
        """
        try:
            sample = in_layout(image, self._shape)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        (output,) = self._session.run({self._input: sample}).values()
        return output

    def feed_noise(self, seed: int = 0) -> None:
        """Run once on seeded noise, standard normal before quantization, and leave it as the input."""
        noise = np.random.default_rng(seed).standard_normal(self._shape, dtype=np.float32)
        self._session.run({self._input: noise})

    def invoke(self) -> None:
        """Run the network on the input that it was given last, and do nothing else."""
        self._session.interpreter.invoke()


def in_layout(image: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(1, C, H, W) as an input of `shape` takes it: as it is, or as (1, H, W, C).

    Raises:
        InputError: the shape is neither.
    """
    if image.shape == shape:
        return image
    turned = image.transpose(0, 2, 3, 1)
    if turned.shape != shape:
        raise InputError(
            f"input {image.shape}, expected {shape} or its NCHW form; give the inputs that it was made for"
        )
    return np.ascontiguousarray(turned)
