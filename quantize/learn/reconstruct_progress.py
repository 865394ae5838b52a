"""What a long reconstruction has done, kept in the user's cache so that an interrupted run goes on there."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from mobiledeploy.base.cache import cache_folder, placed
from mobiledeploy.base.version import __version__
from mobiledeploy.graph.params import QuantParams
from mobiledeploy.quantize.qdq.plan import Plan

__all__ = ["Kept", "KeptProgress"]


@dataclass(frozen=True)
class Kept:
    """Attributes:
    done: Number of blocks that are done.
    log: A line for each of them.
    state: Parameters of the graph that learns, after those blocks.
    tuning: State of tuning, once all blocks are done.
    """

    done: int
    log: list[str]
    state: dict[str, Tensor]
    tuning: dict[str, Any] | None = None


class KeptProgress:
    """The progress of one run: of the same models, plan, set of samples and settings, on one kind of machine.

    Args:
        settings: A dataclass of all settings that decide what is learned.
    """

    def __init__(
        self,
        models: Iterable[ir.Model],
        plan: Plan,
        samples: Mapping[ir.Value, Tensor],
        settings: Any,
    ) -> None:
        digest = hashlib.sha256()
        for model in models:
            digest.update(ir.to_proto(model).SerializeToString(deterministic=True))
        for name, params in _named(plan):
            digest.update(f"{name} {params.axis} {params.dtype}".encode())
            digest.update(params.scale.tobytes() + params.zero_point.tobytes())
        for value, batch in samples.items():
            digest.update(f"{value.name} {tuple(batch.shape)}".encode())
            digest.update(np.ascontiguousarray(batch.numpy()).data)
        # Another machine, PyTorch or number of threads computes other last bits.
        place = [torch.__version__, torch.get_num_threads(), torch.cuda.is_available(), platform.machine()]
        digest.update(repr([asdict(settings), place, __version__]).encode())
        self._folder = cache_folder("reconstruct") / digest.hexdigest()
        self._file = self._folder / "progress.pt"

    def load(self, device: torch.device) -> Kept | None:
        """What an earlier run has left; None if there is nothing that can be read."""
        try:
            found = torch.load(self._file, map_location=device, weights_only=True)
            return Kept(**found)
        except Exception:  # missing, cut off or of another version: then all is done anew
            return None

    def save(self, kept: Kept) -> None:
        """Keep what is done.

        Raises:
            InputError: The cache cannot be written.
        """
        with placed(self._file) as path:
            torch.save(vars(kept), path)

    def remove(self) -> None:
        """Forget the run: it is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _named(plan: Plan) -> list[tuple[str, QuantParams]]:
    """Return all parameters with what they belong to, in one order whatever the order of the plan."""
    found = {f"value {name}": params for name, params in plan.activations.items()}
    found |= {f"weights {name}": params for name, params in plan.weights.items()}
    return sorted(found.items())
