"""The errors a user can cause. The command line prints the message and exits with the class's exit code."""

from __future__ import annotations

__all__ = [
    "DeviceError",
    "InputError",
    "MobileDeployError",
    "OutputError",
    "UnsupportedModelError",
    "VerificationError",
    "WeightsError",
]


class MobileDeployError(Exception):
    """Base of every error that names what was wrong and what to do about it.

    Wording: "<what> <got>, expected <want>; <remedy>".
    """

    exit_code = 2


class InputError(MobileDeployError):
    """A name, file, folder or option that cannot be used as given."""


class WeightsError(InputError):
    """Weights that cannot be had, cannot be read, or do not fit the network."""


class UnsupportedModelError(MobileDeployError):
    """A graph with a node or shape that cannot be lowered. The message names the node and its module."""


class OutputError(MobileDeployError):
    """The output folder cannot be written."""


class VerificationError(MobileDeployError):
    """Artifacts were written but differ from their reference by more than the thresholds allow."""

    exit_code = 3


class DeviceError(MobileDeployError):
    """A device failed while it was to measure: unplugged, no room, a crash, a hang, or no usable result."""

    exit_code = 4
