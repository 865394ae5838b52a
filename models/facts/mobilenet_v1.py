"""MobileNetV1; counts as measured, the other figures as the paper prints them (tables 6, 7 and 8).

No weights file of it has a public address of its own: timm's are on a model hub, at width 1.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TIMM_RA4
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

SPECS = (
    ModelSpec(
        name="mobilenetv1",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM_RA4,
        conventions=CONVENTIONS,
        paper="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, "
        "arXiv:1704.04861",
        parameters=4_231_976,
        multiply_adds_m=568.74,
        reported=Reported(accuracy=70.6, parameters_m=4.2, multiply_adds_m=569),
        weights=(
            WeightsEntry(
                name="ra4_e3600_r224_in1k",
                publisher="timm",
                path=None,
                sha256_prefix="",
                accuracy=75.39,
                preprocessing=TIMM_RA4,
                conventions=CONVENTIONS,
            ),
        ),
        aliases=("mobilenet", "mobilenetv1_100"),
        width_mult=True,
        head_key="classifier.1.weight",
        widths=(
            Width(
                width_mult=0.75,
                parameters=2_585_560,
                multiply_adds_m=325.40,
                reported=Reported(accuracy=68.4, parameters_m=2.6, multiply_adds_m=325),
            ),
            Width(
                width_mult=0.5,
                parameters=1_331_592,
                multiply_adds_m=149.50,
                reported=Reported(
                    accuracy=63.7,
                    parameters_m=1.3,
                    multiply_adds_m=149,
                    tolerance=0.03,
                    why="two digits are printed of 1.33 M parameters",
                ),
            ),
            Width(
                width_mult=0.25,
                parameters=470_072,
                multiply_adds_m=41.03,
                reported=Reported(
                    accuracy=50.6,
                    parameters_m=0.5,
                    multiply_adds_m=41,
                    tolerance=0.07,
                    why="one digit is printed of 0.47 M parameters",
                ),
            ),
        ),
    ),
)
