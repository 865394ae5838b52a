"""Makes models that can be measured of files: named, and with what they are fed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobiledeploy.base.files import file_sha256
from mobiledeploy.bench.runner.records import Model
from mobiledeploy.bench.runner.tensors import given_inputs, interface, noise_inputs

__all__ = ["models_of"]


def models_of(files: Sequence[Path], inputs: Path | None = None, seed: int = 0) -> list[Model]:
    """Return files with their inputs, each under the shortest end of its path that no other shares.

    Raises:
        InputError: A file is missing or no TFLite model, or the inputs do not fit it.
    """
    models = []
    for name, path in zip(_names(files), files, strict=True):
        tensors = interface(path)
        fed = noise_inputs(tensors, seed) if inputs is None else given_inputs(tensors, inputs)
        models.append(Model(name, path, file_sha256(path), fed))
    return models


def _names(files: Sequence[Path]) -> list[str]:
    """Stems; with folders where stems are the same, with numbers where it is the same file."""
    stems = [path.resolve().with_suffix("") for path in files]
    names = []
    for i, stem in enumerate(stems):
        others = {other for other in stems if other != stem}
        ends = ("/".join(stem.parts[-length:]) for length in range(1, len(stem.parts) + 1))
        name = next(end for end in ends if not any(f"/{other}".endswith(f"/{end}") for other in others))
        again = stems[:i].count(stem)
        names.append(f"{name} ({again + 1})" if again else name)
    return names
