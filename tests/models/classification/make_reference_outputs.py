"""Writes reference_outputs.json: what torchvision's and timm's networks compute, for the test beside it.

    python tests/models/classification/make_reference_outputs.py

It needs torchvision and timm, which neither mobiledeploy nor its tests need otherwise: install them beside
it, or put them on PYTHONPATH. Each network gets weights that follow from the names of its state_dict, and an
image that follows from its own, so that the test can make both again. A network is a line in NETWORKS.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from mobiledeploy.runtime.evaluation_mode import evaluating
from mobiledeploy.testing import weights_from_names

FILE = Path(__file__).with_name("reference_outputs.json")
IMAGE = (1, 3, 64, 64)
KEPT = 16


class Network(NamedTuple):
    """A network of another package and what it is here."""

    package: str
    reference: str
    model: str
    weights_as: str  # the entry of the facts whose conventions it has
    options: dict[str, float] = {}  # noqa: RUF012  # read only


NETWORKS = (
    Network("torchvision", "mobilenet_v2", "mobilenetv2", "imagenet1k_v2"),
    Network("torchvision", "mobilenet_v3_small", "mobilenetv3_small", "imagenet1k_v1"),
    Network("torchvision", "mobilenet_v3_large", "mobilenetv3_large", "imagenet1k_v2"),
    Network("torchvision", "mnasnet0_5", "mnasnet_b1", "imagenet1k_v1_050", {"width_mult": 0.5}),
    Network("torchvision", "mnasnet0_75", "mnasnet_b1", "imagenet1k_v1_075", {"width_mult": 0.75}),
    Network("torchvision", "mnasnet1_0", "mnasnet_b1", "imagenet1k_v1"),
    Network("torchvision", "mnasnet1_3", "mnasnet_b1", "imagenet1k_v1_130", {"width_mult": 1.3}),
    Network("torchvision", "shufflenet_v2_x0_5", "shufflenetv2_x0_5", "imagenet1k_v1"),
    Network("torchvision", "shufflenet_v2_x1_0", "shufflenetv2_x1_0", "imagenet1k_v1"),
    Network("torchvision", "shufflenet_v2_x1_5", "shufflenetv2_x1_5", "imagenet1k_v1"),
    Network("torchvision", "shufflenet_v2_x2_0", "shufflenetv2_x2_0", "imagenet1k_v1"),
    Network("timm", "mobilenetv1_100", "mobilenetv1", "ra4_e3600_r224_in1k"),
    Network("timm", "mobilenetv2_050", "mobilenetv2", "lamb_in1k_050", {"width_mult": 0.5}),
    Network("timm", "mobilenetv2_100", "mobilenetv2", "ra_in1k"),
    Network("timm", "mobilenetv2_140", "mobilenetv2", "ra_in1k_140", {"width_mult": 1.4}),
    Network("timm", "mobilenetv3_small_050", "mobilenetv3_small", "lamb_in1k_050", {"width_mult": 0.5}),
    Network("timm", "mobilenetv3_small_075", "mobilenetv3_small", "lamb_in1k_075", {"width_mult": 0.75}),
    Network("timm", "mobilenetv3_small_100", "mobilenetv3_small", "lamb_in1k"),
    Network("timm", "mobilenetv3_large_100", "mobilenetv3_large", "ra_in1k"),
    Network("timm", "tf_mobilenetv3_small_075", "mobilenetv3_small", "tf_in1k_075", {"width_mult": 0.75}),
    Network("timm", "tf_mobilenetv3_small_100", "mobilenetv3_small", "tf_in1k"),
    Network("timm", "tf_mobilenetv3_large_075", "mobilenetv3_large", "tf_in1k_075", {"width_mult": 0.75}),
    Network("timm", "tf_mobilenetv3_large_100", "mobilenetv3_large", "tf_in1k"),
    Network("timm", "tf_mobilenetv3_small_minimal_100", "mobilenetv3_small_minimalistic", "tf_in1k"),
    Network("timm", "tf_mobilenetv3_large_minimal_100", "mobilenetv3_large_minimalistic", "tf_in1k"),
    Network("timm", "semnasnet_075", "mnasnet_a1", "rmsp_in1k_075", {"width_mult": 0.75}),
    Network("timm", "semnasnet_100", "mnasnet_a1", "rmsp_in1k"),
    Network("timm", "mnasnet_100", "mnasnet_b1", "rmsp_in1k"),
    Network("timm", "mixnet_s", "mixnet_s", "ft_in1k"),
    Network("timm", "mixnet_m", "mixnet_m", "ft_in1k"),
    Network("timm", "mixnet_l", "mixnet_l", "ft_in1k"),
    Network("timm", "tf_mixnet_s", "mixnet_s", "tf_in1k"),
    Network("timm", "tf_mixnet_m", "mixnet_m", "tf_in1k"),
    Network("timm", "tf_mixnet_l", "mixnet_l", "tf_in1k"),
)


def main() -> None:
    """Write the file."""
    rows = {f"{network.package} {network.reference}": reference(network) for network in NETWORKS}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    FILE.write_text(f"{{\n{lines}\n}}\n")


def reference(network: Network) -> dict[str, Any]:
    """What the test wants to know of a network."""
    module = create(network)
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    for key, numbers in weights_from_names(shapes).items():
        module.state_dict()[key].copy_(torch.from_numpy(numbers))
    with evaluating(module):
        logits = module(torch.from_numpy(weights_from_names({"image": IMAGE})["image"]))[0]
    return {
        "model": network.model,
        "options": network.options,
        "weights_as": network.weights_as,
        "keys": len(shapes),
        "keys_sha256": hashlib.sha256(
            "\n".join(sorted(f"{key} {list(shape)}" for key, shape in shapes.items())).encode()
        ).hexdigest(),
        "logits": [float(f"{value:.7g}") for value in logits[:KEPT].tolist()],
        "norm": float(f"{logits.norm().item():.7g}"),
    }


def create(network: Network) -> nn.Module:
    """The other package's network, initial."""
    package = importlib.import_module("torchvision.models" if network.package == "torchvision" else "timm")
    if network.package == "timm":
        module: nn.Module = package.create_model(network.reference)
    else:
        module = getattr(package, network.reference)()
    return module


if __name__ == "__main__":
    main()
