"""ShuffleNetV2; counts as measured on torchvision's networks, accuracy as the paper prints it.

torchvision's strided units halve the output between both branches; the paper's left one keeps its input's
width. That makes these networks up to 1.4 % lighter than the paper's.
"""

from __future__ import annotations

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.facts import TV232, TV256
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()


def _spec(
    width: str,
    parameters: int,
    multiply_adds_m: float,
    reported: Reported,
    path: str,
    sha256_prefix: str,
    accuracy: float,
    preprocessing: Preprocessing,
) -> ModelSpec:
    return ModelSpec(
        name=f"shufflenetv2_{width}",
        task="classification",
        input_size=(224, 224),
        preprocessing=preprocessing,
        conventions=CONVENTIONS,
        paper="ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, arXiv:1807.11164",
        parameters=parameters,
        multiply_adds_m=multiply_adds_m,
        reported=reported,
        weights=(
            WeightsEntry(
                name="imagenet1k_v1",
                path=path,
                sha256_prefix=sha256_prefix,
                accuracy=accuracy,
                preprocessing=preprocessing,
                conventions=CONVENTIONS,
            ),
        ),
        aliases=(f"shufflenet_v2_{width}",),
        width_mult=False,
        head_key="fc.weight",
    )


SPECS = (
    _spec(
        "x0_5",
        parameters=1_366_792,
        multiply_adds_m=40.48,
        reported=Reported(
            accuracy=60.3,
            parameters_m=1.4,
            multiply_adds_m=41,
            tolerance=0.03,
            why="two digits of 1.4 stand for 3.6 % either way",
        ),
        path="models/shufflenetv2_x0.5-f707e7126e.pth",
        sha256_prefix="f707e7126e",
        accuracy=60.552,
        preprocessing=TV256,
    ),
    _spec(
        "x1_0",
        parameters=2_278_604,
        multiply_adds_m=144.91,
        reported=Reported(accuracy=69.4, parameters_m=2.3, multiply_adds_m=146),
        path="models/shufflenetv2_x1-5666bf0f80.pth",
        sha256_prefix="5666bf0f80",
        accuracy=69.362,
        preprocessing=TV256,
    ),
    _spec(
        "x1_5",
        parameters=3_503_624,
        multiply_adds_m=295.76,
        reported=Reported(accuracy=72.6, parameters_m=3.5, multiply_adds_m=299),
        path="models/shufflenetv2_x1_5-3c479a10.pth",
        sha256_prefix="3c479a10",
        accuracy=72.996,
        preprocessing=TV232,
    ),
    _spec(
        "x2_0",
        parameters=7_393_996,
        multiply_adds_m=583.25,
        reported=Reported(accuracy=74.9, parameters_m=7.4, multiply_adds_m=591),
        path="models/shufflenetv2_x2_0-8be3c8ee.pth",
        sha256_prefix="8be3c8ee",
        accuracy=76.230,
        preprocessing=TV232,
    ),
)
