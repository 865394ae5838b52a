"""mobiledeploy: PyTorch convolutional networks to fast, checked int8 TFLite for the CPU of a phone.

``mobiledeploy.export`` does what the command of that name does; importing this package imports nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mobiledeploy.base.errors import MobileDeployError
from mobiledeploy.base.version import __version__

if TYPE_CHECKING:
    from mobiledeploy.api import ExportResult, export, run_export
    from mobiledeploy.settings import ExportSettings
    from mobiledeploy.verify.thresholds import Thresholds
    from mobiledeploy.verify.verify import Verification, verify_files

__all__ = [
    "ExportResult",
    "ExportSettings",
    "MobileDeployError",
    "Thresholds",
    "Verification",
    "__version__",
    "export",
    "run_export",
    "verify_files",
]

_HOMES = {
    "ExportResult": "mobiledeploy.api",
    "ExportSettings": "mobiledeploy.settings",
    "Thresholds": "mobiledeploy.verify.thresholds",
    "Verification": "mobiledeploy.verify.verify",
    "export": "mobiledeploy.api",
    "run_export": "mobiledeploy.api",
    "verify_files": "mobiledeploy.verify.verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mobiledeploy' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
