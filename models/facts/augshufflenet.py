"""AugShuffleNet; counts of the paper's networks in their ImageNet form.

The paper's tables are of CIFAR: 0.33, 1.21 and 2.22 M parameters, 10.20, 43.55 and 85.38 M multiply-adds for
0.5x, 1x and 1.5x, which the tests reproduce. Figures of its for ImageNet were not found, nor any weights.
"""

from __future__ import annotations

from mobiledeploy.models.facts import TV256
from mobiledeploy.models.spec import Conventions, ModelSpec, Reported

__all__ = ["CONVENTIONS", "SPECS"]

CONVENTIONS = Conventions()


def _spec(width: str, parameters: int, multiply_adds_m: float) -> ModelSpec:
    return ModelSpec(
        name=f"augshufflenet_{width}",
        task="classification",
        input_size=(224, 224),
        preprocessing=TV256,
        conventions=CONVENTIONS,
        paper="AugShuffleNet: Improve ShuffleNetV2 via More Information Communication, arXiv:2203.06589",
        parameters=parameters,
        multiply_adds_m=multiply_adds_m,
        reported=Reported(accuracy=None, parameters_m=None, multiply_adds_m=None),
        weights=(),
        aliases=(),
        width_mult=False,
        head_key="fc.weight",
    )


SPECS = (
    _spec("x0_5", parameters=1_345_612, multiply_adds_m=38.32),
    _spec("x1_0", parameters=2_223_238, multiply_adds_m=140.45),
    _spec("x1_5", parameters=3_238_700, multiply_adds_m=268.54),
)
