"""MobileNetV2; counts as measured on torchvision's and timm's networks.

The paper prints widths 1 and 1.4; the others are from the table beside the authors' released code.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TV232, TV256, timm_weights
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

SPECS = (
    ModelSpec(
        name="mobilenetv2",
        task="classification",
        input_size=(224, 224),
        preprocessing=TV232,
        conventions=CONVENTIONS,
        paper="MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381",
        parameters=3_504_872,
        multiply_adds_m=300.77,
        reported=Reported(
            accuracy=72.0,
            parameters_m=3.4,
            multiply_adds_m=300,
            tolerance=0.035,
            why="counted without part of the classifier",
        ),
        weights=(
            WeightsEntry(
                name="imagenet1k_v2",
                path="models/mobilenet_v2-7ebf99e0.pth",
                sha256_prefix="7ebf99e0",
                accuracy=72.154,
                preprocessing=TV232,
                conventions=CONVENTIONS,
            ),
            WeightsEntry(
                name="imagenet1k_v1",
                path="models/mobilenet_v2-b0353104.pth",
                sha256_prefix="b0353104",
                accuracy=71.878,
                preprocessing=TV256,
                conventions=CONVENTIONS,
            ),
            timm_weights("ra_in1k", "mobilenetv2_100_ra-b33bc2c4.pth", 72.91),
            timm_weights("lamb_in1k_050", "mobilenetv2_050-3d30d450.pth", 65.93, width_mult=0.5),
            timm_weights("ra_in1k_140", "mobilenetv2_140_ra-21a4e913.pth", 76.53, width_mult=1.4),
        ),
        aliases=("mobilenet_v2", "mobilenetv2_100"),
        width_mult=True,
        head_key="classifier.1.weight",
        widths=(
            Width(
                width_mult=0.35,
                parameters=1_677_128,
                multiply_adds_m=59.29,
                reported=Reported(
                    accuracy=60.3, parameters_m=1.66, multiply_adds_m=59, source="released code"
                ),
            ),
            Width(
                width_mult=0.5,
                parameters=1_968_680,
                multiply_adds_m=97.13,
                reported=Reported(
                    accuracy=65.4, parameters_m=1.95, multiply_adds_m=97, source="released code"
                ),
            ),
            Width(
                width_mult=0.75,
                parameters=2_636_424,
                multiply_adds_m=209.07,
                reported=Reported(
                    accuracy=69.8, parameters_m=2.61, multiply_adds_m=209, source="released code"
                ),
            ),
            Width(
                width_mult=1.3,
                parameters=5_386_792,
                multiply_adds_m=509.37,
                reported=Reported(
                    accuracy=74.4, parameters_m=5.34, multiply_adds_m=509, source="released code"
                ),
            ),
            Width(
                width_mult=1.4,
                parameters=6_108_776,
                multiply_adds_m=582.20,
                reported=Reported(
                    accuracy=74.7,
                    parameters_m=6.9,
                    multiply_adds_m=585,
                    tolerance=0.12,
                    why="the authors' released code and every other have 6.1 M parameters",
                ),
            ),
        ),
    ),
)
