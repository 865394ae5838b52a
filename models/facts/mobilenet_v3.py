"""MobileNetV3 at width 1.0; counts as measured on torchvision's networks, accuracy as the paper prints it.

The paper's first versions count 66 M multiply-adds for Small, with a wider head than the released network
has; the last version and every implementation have 56 M.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TV232, TV256
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry

__all__ = ["CONVENTIONS", "SPECS"]

# torchvision's: PyTorch's default eps of 1e-5 would fold to other weights.
CONVENTIONS = Conventions(norm_eps=1e-3, norm_momentum=0.01)

_PAPER = "Searching for MobileNetV3, arXiv:1905.02244"

SPECS = (
    ModelSpec(
        name="mobilenetv3_small",
        task="classification",
        input_size=(224, 224),
        preprocessing=TV256,
        conventions=CONVENTIONS,
        paper=_PAPER,
        parameters=2_542_856,
        multiply_adds_m=56.51,
        reported=Reported(top1=67.4, parameters_m=2.5, multiply_adds_m=56),
        weights=(
            WeightsEntry(
                name="imagenet1k_v1",
                path="models/mobilenet_v3_small-047dcff4.pth",
                sha256_prefix="047dcff4",
                top1=67.668,
                preprocessing=TV256,
                conventions=CONVENTIONS,
            ),
        ),
        aliases=("mobilenet_v3_small",),
        width_mult=True,
        head_key="classifier.3.weight",
    ),
    ModelSpec(
        name="mobilenetv3_large",
        task="classification",
        input_size=(224, 224),
        preprocessing=TV232,
        conventions=CONVENTIONS,
        paper=_PAPER,
        parameters=5_483_032,
        multiply_adds_m=216.59,
        reported=Reported(top1=75.2, parameters_m=5.4, multiply_adds_m=219),
        weights=(
            WeightsEntry(
                name="imagenet1k_v2",
                path="models/mobilenet_v3_large-5c1a4163.pth",
                sha256_prefix="5c1a4163",
                top1=75.274,
                preprocessing=TV232,
                conventions=CONVENTIONS,
            ),
            WeightsEntry(
                name="imagenet1k_v1",
                path="models/mobilenet_v3_large-8738ca79.pth",
                sha256_prefix="8738ca79",
                top1=74.042,
                preprocessing=TV256,
                conventions=CONVENTIONS,
            ),
        ),
        aliases=("mobilenet_v3_large",),
        width_mult=True,
        head_key="classifier.3.weight",
    ),
)
