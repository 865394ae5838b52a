"""ShuffleNetV2; counts as measured on torchvision's networks, accuracy as the paper prints it.

torchvision's strided units halve the output between both branches; the paper's left one keeps its input's
width. That makes these networks up to 1.4 % lighter than the paper's.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TV232, TV256, network, torchvision_weights
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()


def _shufflenet(width: str, own: Width, weights: WeightsEntry) -> ModelSpec:
    return network(
        f"shufflenetv2_{width}",
        own,
        preprocessing=weights.preprocessing,
        conventions=CONVENTIONS,
        paper="ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, arXiv:1807.11164",
        head_key="fc.weight",
        weights=(weights,),
        aliases=(f"shufflenet_v2_{width}",),
    )


_X0_5 = Reported(60.3, 1.4, 41, tolerance=0.03, why="two digits of 1.4 stand for 3.6 % either way")

# Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
SPECS = (
    _shufflenet(
        "x0_5",
        Width(1.0, 1_366_792, 40.48, _X0_5),
        torchvision_weights("imagenet1k_v1", "shufflenetv2_x0.5-f707e7126e.pth", 60.552, TV256),
    ),
    _shufflenet(
        "x1_0",
        Width(1.0, 2_278_604, 144.91, Reported(69.4, 2.3, 146)),
        torchvision_weights("imagenet1k_v1", "shufflenetv2_x1-5666bf0f80.pth", 69.362, TV256),
    ),
    _shufflenet(
        "x1_5",
        Width(1.0, 3_503_624, 295.76, Reported(72.6, 3.5, 299)),
        torchvision_weights("imagenet1k_v1", "shufflenetv2_x1_5-3c479a10.pth", 72.996, TV232),
    ),
    _shufflenet(
        "x2_0",
        Width(1.0, 7_393_996, 583.25, Reported(74.9, 7.4, 591)),
        torchvision_weights("imagenet1k_v1", "shufflenetv2_x2_0-8be3c8ee.pth", 76.230, TV232),
    ),
)
