"""What your own targets, rewrites, calibrators and lowerings are made with; see docs/extend.md.

Everything is registered for this process, before ``mobiledeploy.export`` is called.
"""

from mobiledeploy.exporters.rewrites.rule import Rule
from mobiledeploy.exporters.rewrites.stages import STAGES, register_rule
from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings import lowers
from mobiledeploy.graph.constants import axes_list, initializer, number
from mobiledeploy.quantize.calibrate.calibrators import register_calibrator
from mobiledeploy.quantize.calibrate.histogram import Histogram
from mobiledeploy.runtime.targets import LITERT_2_3, Delegated, Target, register_target

__all__ = [
    "LITERT_2_3",
    "STAGES",
    "Builder",
    "Delegated",
    "Histogram",
    "Rule",
    "Target",
    "Tensor",
    "axes_list",
    "initializer",
    "lowers",
    "number",
    "register_calibrator",
    "register_rule",
    "register_target",
]
