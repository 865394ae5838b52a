"""ShuffleNetV1; counts as measured, the other figures as tables 1 and 2 of the paper print them.

Those of other widths, and the parameters, are from the table beside the authors' released code
(megvii-model/ShuffleNet-Series), which has 3 and 8 groups. Its weights are on file sharing sites alone, so
there is no file to download.
"""

from __future__ import annotations

from functools import partial

from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.facts import TV256, network, released_code, weights_entry
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported, WeightsEntry, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

_released_code = partial(
    released_code,
    tolerance=0.03,
    why="two digits or one of the parameters are printed, for a head without bias",
)
# The authors' weights see 0 to 255 (and in BGR: `from_megvii` sees to that).
_megvii = partial(
    weights_entry,
    file=None,
    preprocessing=Preprocessing(256, "bilinear", mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255)),
    conventions=Conventions(shuffle="inverse", head_bias=False),
    publisher="megvii",
)


def _released(width_mult: float, accuracy: float) -> WeightsEntry:
    return _megvii(f"released_{width_mult:g}x", accuracy=accuracy, width_mult=width_mult)


def _shufflenet(groups: int, *widths: Width, weights: tuple[WeightsEntry, ...] = ()) -> ModelSpec:
    return network(
        f"shufflenetv1_g{groups}",
        *widths,
        preprocessing=TV256,
        conventions=CONVENTIONS,
        paper="ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, "
        "arXiv:1707.01083",
        head_key="classifier.0.weight",
        weights=weights,
        aliases=(f"shufflenet_v1_g{groups}",),
        width_mult=True,
    )


# Counted: width, parameters, M multiply-adds. Reported: accuracy, M parameters, M multiply-adds.
SPECS = (
    _shufflenet(
        1,
        Width(1.0, 1_531_936, 143.08, Reported(66.4, None, 143)),
        Width(0.5, 534_484, 38.52, Reported(54.9, None, 38)),
    ),
    _shufflenet(2, Width(1.0, 1_733_848, 140.84, Reported(67.3, None, 140))),
    _shufflenet(
        3,
        Width(1.0, 1_865_728, 137.46, Reported(67.4, 1.9, 137)),
        Width(0.5, 718_324, 37.59, _released_code(57.3, 0.7, 38)),
        Width(1.5, 3_442_168, 292.44, _released_code(71.6, 3.4, 292)),
        Width(2.0, 5_450_776, 524.05, _released_code(74.1, 5.4, 524)),
        weights=(_released(1.0, 67.8), _released(0.5, 57.3), _released(1.5, 71.6), _released(2.0, 74.1)),
    ),
    _shufflenet(4, Width(1.0, 1_968_344, 134.34, Reported(67.2, None, 133))),
    _shufflenet(
        8,
        Width(1.0, 2_434_768, 138.37, Reported(67.6, 2.4, 137)),
        Width(0.5, 1_011_448, 40.47, _released_code(58.8, 1.0, 40)),
        Width(1.5, 4_269_952, 290.19, _released_code(71.0, 4.3, 290)),
        Width(2.0, 6_522_232, 521.94, _released_code(72.9, 6.5, 522)),
        weights=(_released(1.0, 68.0), _released(0.5, 58.8), _released(1.5, 71.0), _released(2.0, 72.9)),
    ),
)
