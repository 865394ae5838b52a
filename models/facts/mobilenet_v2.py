"""MobileNetV2 at width 1.0; counts as measured on torchvision's network, accuracy as the paper prints it."""

from __future__ import annotations

from mobiledeploy.models.facts import TV232, TV256
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry

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
            top1=72.0,
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
                top1=72.154,
                preprocessing=TV232,
                conventions=CONVENTIONS,
            ),
            WeightsEntry(
                name="imagenet1k_v1",
                path="models/mobilenet_v2-b0353104.pth",
                sha256_prefix="b0353104",
                top1=71.878,
                preprocessing=TV256,
                conventions=CONVENTIONS,
            ),
        ),
        aliases=("mobilenet_v2",),
        width_mult=True,
        head_key="classifier.1.weight",
    ),
)
