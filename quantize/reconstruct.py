"""High effort: learn how to round, and the scales, from what the float network computes. No labels.

Block by block, in graph order, each block is made to give what it gives in float while its inputs come from
the quantized blocks before it (BRECQ, Li et al., arXiv 2102.05426). Learned are

  * the rounding of every weight, down or up, by a rectified sigmoid and an annealed regulariser that drives
    it to one of the two (AdaRound, Nagel et al., arXiv 2004.10568, equations 21 to 25);
  * the scale of every group of activations, by gradients straight through (LSQ, Esser et al.,
    arXiv 1902.08153), while activations are left unrounded at random (QDrop, Wei et al., arXiv 2203.05740);
  * the biases.

Then scales and biases of the whole network are tuned together on its outputs, which no block sees.

A channel of a block's output counts by the squared gradient of the network's outputs, averaged over samples
and positions: what BRECQ takes from Fisher information, without labels.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn

from mobiledeploy.cache import cache_folder, placed
from mobiledeploy.errors import InputError
from mobiledeploy.exporters.onnx_graph import shape_of
from mobiledeploy.quantize.blocks import Block, find_blocks
from mobiledeploy.quantize.fit_scales import fit_scales
from mobiledeploy.quantize.plan import Plan
from mobiledeploy.quantize.torch_graph import LinearConstants, TorchGraph, Values
from mobiledeploy.runtimes import Sample
from mobiledeploy.targets import Target

__all__ = ["Reconstruction", "ReconstructSettings", "reconstruct", "reconstruction_steps"]


@dataclass(frozen=True)
class ReconstructSettings:
    """What high effort may spend, and how fast it learns.

    Attributes:
        iterations: Per block.
        tuning: Steps on the outputs of the whole network.
        batch: Samples per step.
        drop: Share of activations that are left unrounded while a block learns.
        rounding_rate: Learning rate of the rounding variables.
        scale_rate: Of the logarithms of activation scales.
        bias_rate: Of the biases, in shares of the standard deviation of a layer's outputs.
        most_bytes: Of activations held in memory at a time; more samples than fit are left out.
        seed: Of the order of samples and of what is dropped.
    """

    iterations: int = 300
    tuning: int = 200
    batch: int = 32
    drop: float = 0.5
    rounding_rate: float = 0.02
    scale_rate: float = 2e-3
    bias_rate: float = 2e-3
    most_bytes: int = 1 << 30
    seed: int = 0
