"""ShuffleNetV1; multiply-adds and accuracy as tables 1 and 2 of the paper print them.

The paper prints no parameters; those are from the README of the authors' released code
(megvii-model/ShuffleNet-Series, for 3 and 8 groups). Its weights are on file sharing sites alone, so there
is no file to download.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TV256
from mobiledeploy.models.spec import Conventions, ModelSpec, Preprocessing, Reported, WeightsEntry

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

# The released weights see 0 to 255. (And in BGR: `from_megvii` sees to that.)
_BYTES = Preprocessing(
    resize=256, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255)
)


def _spec(
    groups: int,
    parameters: int,
    multiply_adds_m: float,
    reported: Reported,
    released_top1: float | None = None,
) -> ModelSpec:
    megvii = WeightsEntry(
        name=f"group{groups}_1x",
        publisher="megvii",
        path=None,
        sha256_prefix="",
        top1=released_top1,
        preprocessing=_BYTES,
        conventions=Conventions(shuffle="inverse", head_bias=False),
    )
    return ModelSpec(
        name=f"shufflenetv1_g{groups}",
        task="classification",
        input_size=(224, 224),
        preprocessing=TV256,
        conventions=CONVENTIONS,
        paper="ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, "
        "arXiv:1707.01083",
        parameters=parameters,
        multiply_adds_m=multiply_adds_m,
        reported=reported,
        weights=() if released_top1 is None else (megvii,),
        aliases=(f"shufflenet_v1_g{groups}",),
        width_mult=True,
        head_key="classifier.0.weight",
    )


SPECS = (
    _spec(1, 1_531_936, 143.08, Reported(top1=66.4, parameters_m=None, multiply_adds_m=143)),
    _spec(2, 1_733_848, 140.84, Reported(top1=67.3, parameters_m=None, multiply_adds_m=140)),
    _spec(
        3, 1_865_728, 137.46, Reported(top1=67.4, parameters_m=1.9, multiply_adds_m=137), released_top1=67.8
    ),
    _spec(4, 1_968_344, 134.34, Reported(top1=67.2, parameters_m=None, multiply_adds_m=133)),
    _spec(
        8, 2_434_768, 138.37, Reported(top1=67.6, parameters_m=2.4, multiply_adds_m=137), released_top1=68.0
    ),
)
