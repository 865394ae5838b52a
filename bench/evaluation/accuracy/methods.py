"""The methods that the table compares, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.accuracy.made import Made
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork
from mobiledeploy.bench.evaluation.accuracy.ours import export_qdq, quantize, quantize_with_plain_hard_swish
from mobiledeploy.bench.evaluation.accuracy.peer_tools import (
    quantize_litert_torch,
    quantize_onnx,
    quantize_our_fp32,
)
from mobiledeploy.quantize.calibrate.calibrators import Calibrator
from mobiledeploy.settings import ExportSettings

__all__ = ["GROUPS", "METHODS", "Method", "choose"]

Run = Callable[[str, FloatNetwork, Path], Made]
"""(interpreter of the method's environment, network, folder for files) -> what was made."""


@dataclass(frozen=True)
class Method:
    """Attributes:
    title: As the table has it.
    group: "ours", "ablation" or "peers".
    run: Quantizes.
    environment: Whose interpreter runs it, by the name of its option; None for our own.
    family: Methods of one family differ in a setting; the table has the one of highest SQNR.
    settings: What it sets, for the record.
    """

    title: str
    group: str
    run: Run
    environment: str | None = None
    family: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def _ours(_: str, network: FloatNetwork, folder: Path, settings: Mapping[str, Any]) -> Made:
    return quantize(network, folder, **settings)


def _setting(title: str, group: str, **settings: Any) -> Method:
    return Method(title, group, partial(_ours, settings=settings), settings=settings)


def _plain_hard_swish(_: str, network: FloatNetwork, folder: Path) -> Made:
    return quantize_with_plain_hard_swish(network, folder)


def _onnx(python: str, network: FloatNetwork, folder: Path, tool: str, method: str) -> Made:
    # Next to the folders of both methods that need it, so that it is made once.
    return quantize_onnx(python, tool, method, network, folder.parent / "qdq")


def _onnx_to_tflite(python: str, network: FloatNetwork, folder: Path, tool: str, method: str) -> Made:
    return export_qdq(_onnx(python, network, folder, tool, method), folder)


def _our_fp32(python: str, network: FloatNetwork, folder: Path) -> Made:
    return quantize_our_fp32(python, network, folder)


def _litert_torch(python: str, network: FloatNetwork, folder: Path) -> Made:
    return quantize_litert_torch(python, network, folder)


_ONNX_TOOLS = {
    "onnxruntime": ("onnxruntime quantize_static", None, ("minmax", "entropy", "percentile")),
    "nncf": ("NNCF PTQ", "nncf", ("fast", "accurate")),
    "aimet": ("AIMET", "aimet", ("default", "cle")),
}
"""Tool -> its title, its environment, and the methods of its script."""


def _onnx_methods() -> dict[str, Method]:
    found = {}
    for tool, (title, environment, methods) in _ONNX_TOOLS.items():
        for method in methods:
            ways = (("", _onnx, title), ("-tflite", _onnx_to_tflite, f"{title}, its QDQ as our .tflite"))
            for end, run, named in ways:
                found[f"{tool}-{method}{end}"] = Method(
                    f"{named} ({method})",
                    "peers",
                    partial(run, tool=tool, method=method),
                    environment,
                    f"{tool}{end}",
                )
    return found


_DEFAULT = ExportSettings("").calibrator

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "default": _setting("mobiledeploy, default", "ours"),
        "high": _setting("mobiledeploy, --effort high", "ours", effort="high"),
        "default-float-hard-swish": _setting(
            "mobiledeploy, default, h-swish in float", "ours", keep_float=("op:HardSwish",)
        ),
        "high-float-hard-swish": _setting(
            "mobiledeploy, --effort high, h-swish in float",
            "ours",
            effort="high",
            keep_float=("op:HardSwish",),
        ),
        "no-equalization": _setting("without equalization", "ablation", equalize=False),
        "no-bias-correction": _setting("without bias correction", "ablation", correct_bias=False),
        **{
            f"calibrator-{name}": _setting(f"calibrator {name}", "ablation", calibrator=name)
            for name in get_args(Calibrator)
            if name != _DEFAULT
        },
        "nothing": _setting(
            "min-max, no equalization, no bias correction",
            "ablation",
            calibrator="min-max",
            equalize=False,
            correct_bias=False,
        ),
        "plain-hard-swish": Method("int8 HARD_SWISH, not rewritten", "ablation", _plain_hard_swish),
        "aeq": Method("ai-edge-quantizer on our fp32 .tflite", "peers", _our_fp32, "aeq"),
        "aeq-litert-torch": Method("litert-torch + ai-edge-quantizer", "peers", _litert_torch, "aeq"),
        **_onnx_methods(),
    }
)

GROUPS = tuple(dict.fromkeys(method.group for method in METHODS.values()))


def choose(names: Sequence[str], environments: Mapping[str, str]) -> list[str]:
    """Methods by their names and those of groups, in the table's order.

    A group has those of its methods whose environment is given; a method that is named needs its own.

    Raises:
        InputError: No such method, or its environment is not given.
    """
    wanted: set[str] = set()
    for name in names:
        if name in GROUPS:
            wanted |= {
                key
                for key, method in METHODS.items()
                if method.group == name and (method.environment is None or method.environment in environments)
            }
        elif name not in METHODS:
            raise InputError(f"unknown method {name!r}, expected some of {', '.join((*GROUPS, *METHODS))}")
        else:
            needed = METHODS[name].environment
            if needed is not None and needed not in environments:
                raise InputError(
                    f"method {name} without its environment, expected one; pass --{needed}-python PYTHON"
                )
            wanted.add(name)
    return [name for name in METHODS if name in wanted]
