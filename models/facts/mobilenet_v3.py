"""MobileNetV3; counts as measured on torchvision's and timm's networks, the rest as the paper prints it.

The paper's first versions count 66 M multiply-adds for Small, with a wider head than the released network
has; the last version and every implementation have 56 M. The minimalistic variants are not in the paper, but
in the table beside the authors' released code.
"""

from __future__ import annotations

from dataclasses import replace

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.facts import TF, TIMM_RA4, TIMM_TF, TV232, TV256, timm_weights
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["CONVENTIONS", "MINIMALISTIC_CONVENTIONS", "SPECS"]

# torchvision's: PyTorch's default eps of 1e-5 would fold to other weights.
CONVENTIONS = Conventions(norm_eps=1e-3, norm_momentum=0.01)
# The minimalistic variants have weights from TensorFlow alone.
MINIMALISTIC_CONVENTIONS = TF

_PAPER = "Searching for MobileNetV3, arXiv:1905.02244"

# Of the files that are named "miil": images in [0, 1] as they are.
_MIIL = Preprocessing(resize=256, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

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
        reported=Reported(accuracy=67.4, parameters_m=2.5, multiply_adds_m=56),
        weights=(
            WeightsEntry(
                name="imagenet1k_v1",
                path="models/mobilenet_v3_small-047dcff4.pth",
                sha256_prefix="047dcff4",
                accuracy=67.668,
                preprocessing=TV256,
                conventions=CONVENTIONS,
            ),
            timm_weights("lamb_in1k", "mobilenetv3_small_100_lamb-266a294c.pth", 67.64),
            timm_weights("lamb_in1k_075", "mobilenetv3_small_075_lambc-384766db.pth", 65.28, width_mult=0.75),
            timm_weights("lamb_in1k_050", "mobilenetv3_small_050_lambc-4b7bbe87.pth", 57.92, width_mult=0.5),
            timm_weights(
                "tf_in1k",
                "tf_mobilenetv3_small_100-37f49e2b.pth",
                67.92,
                preprocessing=TIMM_TF,
                conventions=TF,
            ),
            timm_weights(
                "tf_in1k_075",
                "tf_mobilenetv3_small_075-da427f52.pth",
                65.71,
                width_mult=0.75,
                preprocessing=TIMM_TF,
                conventions=TF,
            ),
        ),
        aliases=("mobilenet_v3_small", "mobilenetv3_small_100"),
        width_mult=True,
        head_key="classifier.3.weight",
        widths=(
            Width(width_mult=0.5, parameters=1_593_224, multiply_adds_m=24.19),
            Width(
                width_mult=0.75,
                parameters=2_041_872,
                multiply_adds_m=43.40,
                reported=Reported(
                    accuracy=65.4,
                    parameters_m=2.4,
                    multiply_adds_m=44,
                    tolerance=0.15,
                    why="printed for a head of 1280 channels; the released network's has 1024",
                ),
            ),
        ),
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
        reported=Reported(accuracy=75.2, parameters_m=5.4, multiply_adds_m=219),
        weights=(
            WeightsEntry(
                name="imagenet1k_v2",
                path="models/mobilenet_v3_large-5c1a4163.pth",
                sha256_prefix="5c1a4163",
                accuracy=75.274,
                preprocessing=TV232,
                conventions=CONVENTIONS,
            ),
            WeightsEntry(
                name="imagenet1k_v1",
                path="models/mobilenet_v3_large-8738ca79.pth",
                sha256_prefix="8738ca79",
                accuracy=74.042,
                preprocessing=TV256,
                conventions=CONVENTIONS,
            ),
            timm_weights("ra_in1k", "mobilenetv3_large_100_ra-f55367f5.pth", 75.78),
            timm_weights(
                "miil_in21k_ft_in1k",
                "mobilenetv3_large_100_1k_miil_78_0-66471c13.pth",
                77.92,
                preprocessing=_MIIL,
                tag="v0.1-tresnet",
            ),
            WeightsEntry(
                name="ra4_e3600_r224_in1k",
                publisher="timm",
                path=None,
                sha256_prefix="",
                accuracy=76.31,
                preprocessing=replace(TIMM_RA4, resize=235),
                conventions=Conventions(),
            ),
            timm_weights(
                "tf_in1k",
                "tf_mobilenetv3_large_100-427764d5.pth",
                75.51,
                preprocessing=TIMM_TF,
                conventions=TF,
            ),
            timm_weights(
                "tf_in1k_075",
                "tf_mobilenetv3_large_075-150ee8b0.pth",
                73.44,
                width_mult=0.75,
                preprocessing=TIMM_TF,
                conventions=TF,
            ),
        ),
        aliases=("mobilenet_v3_large", "mobilenetv3_large_100"),
        width_mult=True,
        head_key="classifier.3.weight",
        widths=(
            Width(
                width_mult=0.75,
                parameters=3_993_528,
                multiply_adds_m=154.56,
                reported=Reported(accuracy=73.3, parameters_m=4.0, multiply_adds_m=155),
            ),
        ),
    ),
    ModelSpec(
        name="mobilenetv3_small_minimalistic",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM_TF,
        conventions=TF,
        paper=_PAPER,
        parameters=2_044_736,
        multiply_adds_m=52.29,
        reported=Reported(
            accuracy=61.9,
            parameters_m=2.0,
            multiply_adds_m=65,
            tolerance=0.2,
            why="65 M multiply-adds are not those of the network that the code defines",
            source="released code",
        ),
        weights=(
            timm_weights(
                "tf_in1k",
                "tf_mobilenetv3_small_minimal_100-922a7843.pth",
                62.89,
                preprocessing=TIMM_TF,
                conventions=TF,
            ),
        ),
        aliases=("mobilenetv3_small_minimal", "tf_mobilenetv3_small_minimal_100"),
        width_mult=True,
        head_key="classifier.3.weight",
    ),
    ModelSpec(
        name="mobilenetv3_large_minimalistic",
        task="classification",
        input_size=(224, 224),
        preprocessing=TIMM_TF,
        conventions=TF,
        paper=_PAPER,
        parameters=3_924_288,
        multiply_adds_m=209.14,
        reported=Reported(accuracy=72.3, parameters_m=3.9, multiply_adds_m=209, source="released code"),
        weights=(
            timm_weights(
                "tf_in1k",
                "tf_mobilenetv3_large_minimal_100-8596ae28.pth",
                72.27,
                preprocessing=TIMM_TF,
                conventions=TF,
            ),
        ),
        aliases=("mobilenetv3_large_minimal", "tf_mobilenetv3_large_minimal_100"),
        width_mult=True,
        head_key="classifier.3.weight",
    ),
)
