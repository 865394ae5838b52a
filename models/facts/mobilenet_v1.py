"""MobileNetV1; counts as measured, the other figures as the paper prints them (tables 6, 7 and 8).

No weights file of it has a public address of its own: timm's are on a model hub, at width 1.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TIMM_RA4, network, timm_weights
from mobiledeploy.models.spec import Conventions, Reported, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

_AT_050 = Reported(63.7, 1.3, 149, tolerance=0.03, why="two digits are printed of 1.33 M parameters")
_AT_025 = Reported(50.6, 0.5, 41, tolerance=0.07, why="one digit is printed of 0.47 M parameters")

SPECS = (
    network(
        "mobilenetv1",
        # Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
        Width(1.0, 4_231_976, 568.74, Reported(70.6, 4.2, 569)),
        Width(0.75, 2_585_560, 325.40, Reported(68.4, 2.6, 325)),
        Width(0.5, 1_331_592, 149.50, _AT_050),
        Width(0.25, 470_072, 41.03, _AT_025),
        preprocessing=TIMM_RA4,
        conventions=CONVENTIONS,
        paper="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, "
        "arXiv:1704.04861",
        head_key="classifier.1.weight",
        weights=(timm_weights("ra4_e3600_r224_in1k", None, 75.39, TIMM_RA4),),
        aliases=("mobilenet", "mobilenetv1_100"),
        width_mult=True,
    ),
)
