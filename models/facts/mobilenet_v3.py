"""MobileNetV3; counts as measured on torchvision's and timm's networks, the rest as the paper prints it.

The paper's first versions count 66 M multiply-adds for Small, with a wider head than the released network
has; the last version and every implementation have 56 M. The minimalistic variants are not in the paper, but
in the table beside the authors' released code.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.facts import (
    TF,
    TIMM_RA4,
    TIMM_RELEASES,
    TIMM_TF,
    TV232,
    TV256,
    network,
    released_code,
    timm_weights,
    torchvision_weights,
)
from mobiledeploy.models.spec import Conventions, Reported, Width

__all__ = ["CONVENTIONS", "MINIMALISTIC_CONVENTIONS", "SPECS"]

# torchvision's: PyTorch's default eps of 1e-5 would fold to other weights.
CONVENTIONS = Conventions(norm_eps=1e-3, norm_momentum=0.01)
# The minimalistic variants have weights from TensorFlow alone.
MINIMALISTIC_CONVENTIONS = TF

_mobilenet_v3 = partial(
    network,
    paper="Searching for MobileNetV3, arXiv:1905.02244",
    head_key="classifier.3.weight",
    width_mult=True,
)
_torchvision = partial(torchvision_weights, conventions=CONVENTIONS)
_tensorflow = partial(timm_weights, preprocessing=TIMM_TF, conventions=TF)
# Files that are named "miil" see images in [0, 1] as they are.
_miil = partial(
    timm_weights,
    preprocessing=Preprocessing(256, "bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    folder=f"{TIMM_RELEASES}/v0.1-tresnet",
)

_SMALL_075 = Reported(
    65.4, 2.4, 44, tolerance=0.15, why="printed for a head of 1280 channels; the released network's has 1024"
)
_SMALL_MINIMALISTIC = released_code(
    61.9, 2.0, 65, tolerance=0.2, why="65 M multiply-adds are not those of the network that the code defines"
)

# Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
SPECS = (
    _mobilenet_v3(
        "mobilenetv3_small",
        Width(1.0, 2_542_856, 56.51, Reported(67.4, 2.5, 56)),
        Width(0.5, 1_593_224, 24.19),
        Width(0.75, 2_041_872, 43.40, _SMALL_075),
        preprocessing=TV256,
        conventions=CONVENTIONS,
        weights=(
            _torchvision("imagenet1k_v1", "mobilenet_v3_small-047dcff4.pth", 67.668, TV256),
            timm_weights("lamb_in1k", "mobilenetv3_small_100_lamb-266a294c.pth", 67.64),
            timm_weights("lamb_in1k_075", "mobilenetv3_small_075_lambc-384766db.pth", 65.28, width_mult=0.75),
            timm_weights("lamb_in1k_050", "mobilenetv3_small_050_lambc-4b7bbe87.pth", 57.92, width_mult=0.5),
            _tensorflow("tf_in1k", "tf_mobilenetv3_small_100-37f49e2b.pth", 67.92),
            _tensorflow("tf_in1k_075", "tf_mobilenetv3_small_075-da427f52.pth", 65.71, width_mult=0.75),
        ),
        aliases=("mobilenet_v3_small", "mobilenetv3_small_100"),
    ),
    _mobilenet_v3(
        "mobilenetv3_large",
        Width(1.0, 5_483_032, 216.59, Reported(75.2, 5.4, 219)),
        Width(0.75, 3_993_528, 154.56, Reported(73.3, 4.0, 155)),
        preprocessing=TV232,
        conventions=CONVENTIONS,
        weights=(
            _torchvision("imagenet1k_v2", "mobilenet_v3_large-5c1a4163.pth", 75.274, TV232),
            _torchvision("imagenet1k_v1", "mobilenet_v3_large-8738ca79.pth", 74.042, TV256),
            timm_weights("ra_in1k", "mobilenetv3_large_100_ra-f55367f5.pth", 75.78),
            _miil("miil_in21k_ft_in1k", "mobilenetv3_large_100_1k_miil_78_0-66471c13.pth", 77.92),
            timm_weights("ra4_e3600_r224_in1k", None, 76.31, replace(TIMM_RA4, resize=235)),
            _tensorflow("tf_in1k", "tf_mobilenetv3_large_100-427764d5.pth", 75.51),
            _tensorflow("tf_in1k_075", "tf_mobilenetv3_large_075-150ee8b0.pth", 73.44, width_mult=0.75),
        ),
        aliases=("mobilenet_v3_large", "mobilenetv3_large_100"),
    ),
    _mobilenet_v3(
        "mobilenetv3_small_minimalistic",
        Width(1.0, 2_044_736, 52.29, _SMALL_MINIMALISTIC),
        preprocessing=TIMM_TF,
        conventions=MINIMALISTIC_CONVENTIONS,
        weights=(_tensorflow("tf_in1k", "tf_mobilenetv3_small_minimal_100-922a7843.pth", 62.89),),
        aliases=("mobilenetv3_small_minimal", "tf_mobilenetv3_small_minimal_100"),
    ),
    _mobilenet_v3(
        "mobilenetv3_large_minimalistic",
        Width(1.0, 3_924_288, 209.14, released_code(72.3, 3.9, 209)),
        preprocessing=TIMM_TF,
        conventions=MINIMALISTIC_CONVENTIONS,
        weights=(_tensorflow("tf_in1k", "tf_mobilenetv3_large_minimal_100-8596ae28.pth", 72.27),),
        aliases=("mobilenetv3_large_minimal", "tf_mobilenetv3_large_minimal_100"),
    ),
)
