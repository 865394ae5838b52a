"""MixNet; counts as measured on timm's networks. The paper's multiply-adds of S are not known for certain."""

from __future__ import annotations

from functools import partial

from mobiledeploy.models.facts import TF, TIMM, network, timm_weights
from mobiledeploy.models.spec import Conventions, Reported, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

_mixnet = partial(
    network,
    preprocessing=TIMM,
    conventions=CONVENTIONS,
    paper="MixConv: Mixed Depthwise Convolutional Kernels, arXiv:1907.09595",
    head_key="classifier.1.weight",
)
_reported_m = partial(
    Reported,
    tolerance=0.06,
    why="the authors' count has squeeze-excite products, batch norms and swish in it",
)

# Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
SPECS = (
    _mixnet(
        "mixnet_s",
        Width(1.0, 4_134_606, 239.17, Reported(75.8, 4.1, None)),
        weights=(
            timm_weights("ft_in1k", "mixnet_s-a907afbc.pth", 76.00),
            timm_weights("tf_in1k", "tf_mixnet_s-89d3354b.pth", 75.66, conventions=TF),
        ),
    ),
    _mixnet(
        "mixnet_m",
        Width(1.0, 5_014_382, 339.17, _reported_m(77.0, 5.0, 360)),
        weights=(
            timm_weights("ft_in1k", "mixnet_m-4647fc68.pth", 77.27),
            timm_weights("tf_in1k", "tf_mixnet_m-0f4d8805.pth", 76.95, conventions=TF),
        ),
    ),
    _mixnet(
        "mixnet_l",
        Width(1.0, 7_329_252, 555.25, Reported(78.9, 7.3, 565)),
        weights=(
            timm_weights("ft_in1k", "mixnet_l-5a9a2ed8.pth", 78.97),
            timm_weights("tf_in1k", "tf_mixnet_l-6c92e0c8.pth", 78.77, conventions=TF),
        ),
    ),
)
