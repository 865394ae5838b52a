"""MixNet; counts as measured on timm's networks. The paper's multiply-adds of S are not known for certain."""

from __future__ import annotations

from mobiledeploy.models.facts import TF, TIMM, timm_weights
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

_PAPER = "MixConv: Mixed Depthwise Convolutional Kernels, arXiv:1907.09595"


SPECS = (
    ModelSpec(
        name="mixnet_s",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM,
        conventions=CONVENTIONS,
        paper=_PAPER,
        parameters=4_134_606,
        multiply_adds_m=239.17,
        reported=Reported(accuracy=75.8, parameters_m=4.1, multiply_adds_m=None),
        weights=(
            timm_weights("ft_in1k", "mixnet_s-a907afbc.pth", 76.00),
            timm_weights("tf_in1k", "tf_mixnet_s-89d3354b.pth", 75.66, conventions=TF),
        ),
        aliases=(),
        width_mult=False,
        head_key="classifier.1.weight",
    ),
    ModelSpec(
        name="mixnet_m",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM,
        conventions=CONVENTIONS,
        paper=_PAPER,
        parameters=5_014_382,
        multiply_adds_m=339.17,
        reported=Reported(
            accuracy=77.0,
            parameters_m=5.0,
            multiply_adds_m=360,
            tolerance=0.06,
            why="the authors' count has squeeze-excite products, batch norms and swish in it",
        ),
        weights=(
            timm_weights("ft_in1k", "mixnet_m-4647fc68.pth", 77.27),
            timm_weights("tf_in1k", "tf_mixnet_m-0f4d8805.pth", 76.95, conventions=TF),
        ),
        aliases=(),
        width_mult=False,
        head_key="classifier.1.weight",
    ),
    ModelSpec(
        name="mixnet_l",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM,
        conventions=CONVENTIONS,
        paper=_PAPER,
        parameters=7_329_252,
        multiply_adds_m=555.25,
        reported=Reported(accuracy=78.9, parameters_m=7.3, multiply_adds_m=565),
        weights=(
            timm_weights("ft_in1k", "mixnet_l-5a9a2ed8.pth", 78.97),
            timm_weights("tf_in1k", "tf_mixnet_l-6c92e0c8.pth", 78.77, conventions=TF),
        ),
        aliases=(),
        width_mult=False,
        head_key="classifier.1.weight",
    ),
)
