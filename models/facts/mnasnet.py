"""MnasNet; counts as measured on torchvision's and timm's networks.

A1's widths other than 1 are from the table beside the authors' released code, whose multiply-adds count more
operations than ours do. The accuracies of torchvision's files are its latest; their names hold older ones.
"""

from __future__ import annotations

from functools import partial

from mobiledeploy.models.facts import (
    TIMM,
    TV232,
    TV256,
    network,
    released_code,
    timm_weights,
    torchvision_weights,
)
from mobiledeploy.models.spec import Conventions, Reported, Width

__all__ = ["A1_CONVENTIONS", "B1_CONVENTIONS", "SPECS"]

A1_CONVENTIONS = Conventions()
B1_CONVENTIONS = Conventions(norm_momentum=3e-4)  # torchvision's

_mnasnet = partial(
    network,
    paper="MnasNet: Platform-Aware Neural Architecture Search for Mobile, arXiv:1807.11626",
    head_key="classifier.1.weight",
    width_mult=True,
)
_torchvision = partial(torchvision_weights, conventions=B1_CONVENTIONS)

# Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
SPECS = (
    _mnasnet(
        "mnasnet_a1",
        Width(1.0, 3_887_038, 311.58, Reported(75.2, 3.9, 312)),
        Width(0.5, 2_082_006, 103.16, released_code(68.9, 2.1, 105.2)),
        Width(0.75, 2_912_278, 223.45, released_code(73.3, 2.9, 226.7)),
        preprocessing=TIMM,
        conventions=A1_CONVENTIONS,
        weights=(
            timm_weights("rmsp_in1k", "mnasnet_a1-d9418771.pth", 75.45),
            timm_weights("rmsp_in1k_075", "semnasnet_075-18710866.pth", None, width_mult=0.75),
        ),
        aliases=("semnasnet", "semnasnet_100"),
    ),
    _mnasnet(
        "mnasnet_b1",
        Width(1.0, 4_383_312, 314.42, Reported(74.5, None, None)),
        Width(0.5, 2_218_512, 104.46),
        Width(0.75, 3_170_208, 215.49),
        Width(1.3, 6_282_256, 526.36),
        preprocessing=TV256,
        conventions=B1_CONVENTIONS,
        weights=(
            _torchvision("imagenet1k_v1", "mnasnet1.0_top1_73.512-f206786ef8.pth", 73.456, TV256),
            _torchvision(
                "imagenet1k_v1_050", "mnasnet0.5_top1_67.823-3ffadce67e.pth", 67.734, TV256, width_mult=0.5
            ),
            _torchvision("imagenet1k_v1_075", "mnasnet0_75-7090bc5f.pth", 71.180, TV232, width_mult=0.75),
            _torchvision("imagenet1k_v1_130", "mnasnet1_3-a4c69d6f.pth", 76.506, TV232, width_mult=1.3),
            timm_weights("rmsp_in1k", "mnasnet_b1-74cb7081.pth", 74.67),
        ),
        aliases=("mnasnet1_0", "mnasnet_100"),
    ),
)
