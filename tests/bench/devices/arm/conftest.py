"""An emulator, if one is installed, and a network with all kinds of op that MobileNetV3 has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.devices.arm.emulator import Emulator
from mobiledeploy.bench.runner.records import Model
from mobiledeploy.bench.runner.tensors import interface, noise_inputs

TINY_NETWORKS = Path(__file__).parents[3] / "tiny_networks.py"


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    try:
        return Emulator.found()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def network_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """ "fp32" and "int8" -> a stem with h-swish, a squeeze-excite block, a residual sum and a classifier."""
    result = mobiledeploy.export(
        f"{TINY_NETWORKS}:squeeze_excite", int8=True, samples=2, out=tmp_path_factory.mktemp("network")
    )
    return {kind: result.artifacts[kind] for kind in ("fp32", "int8")}


@pytest.fixture(scope="session")
def fed() -> Callable[[Path], Model]:
    """A file with seeded noise for its inputs."""

    def feed(path: Path, seed: int = 0) -> Model:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Model(path.stem, path, digest, noise_inputs(interface(path), seed))

    return feed
