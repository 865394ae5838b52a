"""MobileNetV2; counts as measured on torchvision's and timm's networks.

The paper prints widths 1 and 1.4; the others are from the table beside the authors' released code.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TV232, TV256, network, released_code, timm_weights, torchvision_weights
from mobiledeploy.models.spec import Conventions, Reported, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

_AT_100 = Reported(72.0, 3.4, 300, tolerance=0.035, why="counted without part of the classifier")
_AT_140 = Reported(
    74.7, 6.9, 585, tolerance=0.12, why="the authors' released code and every other have 6.1 M parameters"
)

SPECS = (
    network(
        "mobilenetv2",
        # Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
        Width(1.0, 3_504_872, 300.77, _AT_100),
        Width(0.35, 1_677_128, 59.29, released_code(60.3, 1.66, 59)),
        Width(0.5, 1_968_680, 97.13, released_code(65.4, 1.95, 97)),
        Width(0.75, 2_636_424, 209.07, released_code(69.8, 2.61, 209)),
        Width(1.3, 5_386_792, 509.37, released_code(74.4, 5.34, 509)),
        Width(1.4, 6_108_776, 582.20, _AT_140),
        preprocessing=TV232,
        conventions=CONVENTIONS,
        paper="MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381",
        head_key="classifier.1.weight",
        weights=(
            torchvision_weights("imagenet1k_v2", "mobilenet_v2-7ebf99e0.pth", 72.154, TV232),
            torchvision_weights("imagenet1k_v1", "mobilenet_v2-b0353104.pth", 71.878, TV256),
            timm_weights("ra_in1k", "mobilenetv2_100_ra-b33bc2c4.pth", 72.91),
            timm_weights("lamb_in1k_050", "mobilenetv2_050-3d30d450.pth", 65.93, width_mult=0.5),
            timm_weights("ra_in1k_140", "mobilenetv2_140_ra-21a4e913.pth", 76.53, width_mult=1.4),
        ),
        aliases=("mobilenet_v2", "mobilenetv2_100"),
        width_mult=True,
    ),
)
