"""ShuffleNetV1; counts as measured, the other figures as tables 1 and 2 of the paper print them.

Those of other widths, and the parameters, are from the table beside the authors' released code
(megvii-model/ShuffleNet-Series), which has 3 and 8 groups. Its weights are on file sharing sites alone, so
there is no file to download.
"""

from __future__ import annotations

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.facts import TV256
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()


def _spec(
    groups: int,
    parameters: int,
    multiply_adds_m: float,
    reported: Reported,
    *,
    widths: tuple[Width, ...] = (),
    weights: tuple[WeightsEntry, ...] = (),
) -> ModelSpec:
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
        weights=weights,
        aliases=(f"shufflenet_v1_g{groups}",),
        width_mult=True,
        head_key="classifier.0.weight",
        widths=widths,
    )


def _released(width_mult: float, accuracy: float) -> WeightsEntry:
    """Weights of the authors' code. They see 0 to 255 (and in BGR: `from_megvii` sees to that)."""
    return WeightsEntry(
        name=f"released_{width_mult:g}x",
        publisher="megvii",
        path=None,
        sha256_prefix="",
        accuracy=accuracy,
        preprocessing=Preprocessing(
            resize=256, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255)
        ),
        conventions=Conventions(shuffle="inverse", head_bias=False),
        width_mult=width_mult,
    )


def _width(
    width_mult: float,
    parameters: int,
    multiply_adds_m: float,
    accuracy: float,
    parameters_m: float,
    multiply_adds_released_m: float,
) -> Width:
    reported = Reported(
        accuracy=accuracy,
        parameters_m=parameters_m,
        multiply_adds_m=multiply_adds_released_m,
        tolerance=0.03,
        why="two digits or one of the parameters are printed, for a head without bias",
        source="released code",
    )
    return Width(
        width_mult=width_mult, parameters=parameters, multiply_adds_m=multiply_adds_m, reported=reported
    )


SPECS = (
    _spec(
        1,
        1_531_936,
        143.08,
        Reported(accuracy=66.4, parameters_m=None, multiply_adds_m=143),
        widths=(
            Width(
                width_mult=0.5,
                parameters=534_484,
                multiply_adds_m=38.52,
                reported=Reported(accuracy=54.9, parameters_m=None, multiply_adds_m=38),
            ),
        ),
    ),
    _spec(2, 1_733_848, 140.84, Reported(accuracy=67.3, parameters_m=None, multiply_adds_m=140)),
    _spec(
        3,
        1_865_728,
        137.46,
        Reported(accuracy=67.4, parameters_m=1.9, multiply_adds_m=137),
        widths=(
            _width(0.5, 718_324, 37.59, 57.3, 0.7, 38),
            _width(1.5, 3_442_168, 292.44, 71.6, 3.4, 292),
            _width(2.0, 5_450_776, 524.05, 74.1, 5.4, 524),
        ),
        weights=(_released(1.0, 67.8), _released(0.5, 57.3), _released(1.5, 71.6), _released(2.0, 74.1)),
    ),
    _spec(4, 1_968_344, 134.34, Reported(accuracy=67.2, parameters_m=None, multiply_adds_m=133)),
    _spec(
        8,
        2_434_768,
        138.37,
        Reported(accuracy=67.6, parameters_m=2.4, multiply_adds_m=137),
        widths=(
            _width(0.5, 1_011_448, 40.47, 58.8, 1.0, 40),
            _width(1.5, 4_269_952, 290.19, 71.0, 4.3, 290),
            _width(2.0, 6_522_232, 521.94, 72.9, 6.5, 522),
        ),
        weights=(_released(1.0, 68.0), _released(0.5, 58.8), _released(1.5, 71.0), _released(2.0, 72.9)),
    ),
)
