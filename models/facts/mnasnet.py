"""MnasNet; counts as measured on torchvision's and timm's networks.

A1's widths other than 1 are from the table beside the authors' released code, whose multiply-adds count more
operations than ours do. The accuracies of torchvision's files are its latest; their names hold older ones.
"""

from __future__ import annotations

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.facts import TIMM, TV232, TV256, timm_weights
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["A1_CONVENTIONS", "B1_CONVENTIONS", "SPECS"]

A1_CONVENTIONS = Conventions()
B1_CONVENTIONS = Conventions(norm_momentum=3e-4)  # torchvision's

_PAPER = "MnasNet: Platform-Aware Neural Architecture Search for Mobile, arXiv:1807.11626"


def _torchvision(
    name: str, file: str, accuracy: float, preprocessing: Preprocessing, width_mult: float = 1.0
) -> WeightsEntry:
    return WeightsEntry(
        name=name,
        path=f"models/{file}",
        sha256_prefix=file.removesuffix(".pth").rpartition("-")[2],
        accuracy=accuracy,
        preprocessing=preprocessing,
        conventions=B1_CONVENTIONS,
        width_mult=width_mult,
    )


SPECS = (
    ModelSpec(
        name="mnasnet_a1",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM,
        conventions=A1_CONVENTIONS,
        paper=_PAPER,
        parameters=3_887_038,
        multiply_adds_m=311.58,
        reported=Reported(accuracy=75.2, parameters_m=3.9, multiply_adds_m=312),
        weights=(
            timm_weights("rmsp_in1k", "mnasnet_a1-d9418771.pth", 75.45),
            timm_weights("rmsp_in1k_075", "semnasnet_075-18710866.pth", None, width_mult=0.75),
        ),
        aliases=("semnasnet", "semnasnet_100"),
        width_mult=True,
        head_key="classifier.1.weight",
        widths=(
            Width(
                width_mult=0.5,
                parameters=2_082_006,
                multiply_adds_m=103.16,
                reported=Reported(
                    accuracy=68.9, parameters_m=2.1, multiply_adds_m=105.2, source="released code"
                ),
            ),
            Width(
                width_mult=0.75,
                parameters=2_912_278,
                multiply_adds_m=223.45,
                reported=Reported(
                    accuracy=73.3, parameters_m=2.9, multiply_adds_m=226.7, source="released code"
                ),
            ),
        ),
    ),
    ModelSpec(
        name="mnasnet_b1",
        task="classification",
        input_size=(224, 224),
        preprocessing=TV256,
        conventions=B1_CONVENTIONS,
        paper=_PAPER,
        parameters=4_383_312,
        multiply_adds_m=314.42,
        reported=Reported(accuracy=74.5, parameters_m=None, multiply_adds_m=None),
        weights=(
            _torchvision("imagenet1k_v1", "mnasnet1.0_top1_73.512-f206786ef8.pth", 73.456, TV256),
            _torchvision("imagenet1k_v1_050", "mnasnet0.5_top1_67.823-3ffadce67e.pth", 67.734, TV256, 0.5),
            _torchvision("imagenet1k_v1_075", "mnasnet0_75-7090bc5f.pth", 71.180, TV232, 0.75),
            _torchvision("imagenet1k_v1_130", "mnasnet1_3-a4c69d6f.pth", 76.506, TV232, 1.3),
            timm_weights("rmsp_in1k", "mnasnet_b1-74cb7081.pth", 74.67),
        ),
        aliases=("mnasnet1_0", "mnasnet_100"),
        width_mult=True,
        head_key="classifier.1.weight",
        widths=(
            Width(width_mult=0.5, parameters=2_218_512, multiply_adds_m=104.46),
            Width(width_mult=0.75, parameters=3_170_208, multiply_adds_m=215.49),
            Width(width_mult=1.3, parameters=6_282_256, multiply_adds_m=526.36),
        ),
    ),
)
