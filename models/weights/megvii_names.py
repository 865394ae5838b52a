"""Weights files of the authors' released code for ShuffleNetV1 (megvii-model/ShuffleNet-Series).

Their keys are ours, but for `features`, which is `units` here. They were trained on images in BGR, and get
their first convolution's input channels turned round to see the same in RGB.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["from_megvii", "has_megvii_names"]

_STEM = "first_conv.0.weight"  # (out, 3, 3, 3)
_TELLING = "features.0.branch_main_1.0.weight"
_THEIRS, _OURS = "features.", "units."


def has_megvii_names(state: Mapping[str, Tensor]) -> bool:
    """Whether a state_dict has the keys of that code."""
    return _STEM in state and _TELLING in state


def from_megvii(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict of that code with our keys, for RGB."""
    renamed = {
        _OURS + key.removeprefix(_THEIRS) if key.startswith(_THEIRS) else key: value
        for key, value in state.items()
    }
    return renamed | {_STEM: renamed[_STEM].flip(1)}
