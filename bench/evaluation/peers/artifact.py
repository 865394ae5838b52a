"""One TFLite file of one input and one output on LiteRT, to be asked for its output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.base.errors import InputError
from mobiledeploy.runtime.runtimes import TfliteSession

__all__ = ["Artifact"]


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
        shapes = self._session.input_shapes()
        if len(shapes) != 1 or len(self._session.outputs) != 1:
            raise InputError(
                f"{path} has {len(shapes)} inputs and {len(self._session.outputs)} outputs, expected one of "
                "each; compare networks of one input and one output"
            )
        ((self._input, self._shape),) = shapes.items()
        # The interpreter appends one node per partition; the Python binding has no public call for them.
        nodes = self._session.interpreter._get_ops_details()
        self.partitions = sum(node["op_name"] == "DELEGATE" for node in nodes)

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output for (1, C, H, W) float32, dequantized.

        Raises:
            InputError: the artifact takes another shape.
        """
        if image.shape != self._shape:
            raise InputError(
                f"input {image.shape} for {self.path}, expected {self._shape}; give inputs of that shape"
            )
        (output,) = self._session.run({self._input: image}).values()
        return output
