"""AugShuffleNet; counts of the paper's networks in their ImageNet form.

The paper's tables are of CIFAR: 0.33, 1.21 and 2.22 M parameters, 10.20, 43.55 and 85.38 M multiply-adds for
0.5x, 1x and 1.5x, which the tests reproduce. Figures of its for ImageNet were not found, nor any weights.
"""

from __future__ import annotations

from functools import partial

from mobiledeploy.models.facts import TV256, network
from mobiledeploy.models.spec import Conventions, Width

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()

_augshufflenet = partial(
    network,
    preprocessing=TV256,
    conventions=CONVENTIONS,
    paper="AugShuffleNet: Improve ShuffleNetV2 via More Information Communication, arXiv:2203.06589",
    head_key="fc.weight",
)

# Counted: width, parameters, M multiply-adds.
SPECS = (
    _augshufflenet("augshufflenet_x0_5", Width(1.0, 1_345_612, 38.32)),
    _augshufflenet("augshufflenet_x1_0", Width(1.0, 2_223_238, 140.45)),
    _augshufflenet("augshufflenet_x1_5", Width(1.0, 3_238_700, 268.54)),
)
