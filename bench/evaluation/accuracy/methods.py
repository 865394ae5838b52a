"""The methods that the table compares, by name: ours and those of other tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import mobiledeploy
from mobiledeploy.base.errors import InputError
from mobiledeploy.base.version import __version__
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork
from mobiledeploy.bench.evaluation.calibration import export_int8
from mobiledeploy.bench.evaluation.other_python import Made, quantize_with_litert_torch, run_tool
from mobiledeploy.quantize.calibrate.calibrators import DEFAULT_CALIBRATOR, Calibrator
from mobiledeploy.runtime.targets import LITERT_2_3, Delegated

__all__ = ["ENVIRONMENTS", "GROUPS", "METHODS", "Method", "choose", "quantizes"]

Run = Callable[[str, FloatNetwork, Path], Made]
"""(interpreter of the method's environment, network, folder for files) -> what was made."""


@dataclass(frozen=True)
class Method:
    """A way to quantize a network.

    Attributes:
        title: Name in the table.
        group: "ours", "ablation" or "peers".
        run: The function that quantizes.
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


_OTHER_STEPS = ("open", "load", "check", "compare", "measure", "explain", "PyTorch", "ONNX to fp32")
"""Beginnings of the names of steps that do not quantize: they make the float graph, or look at the result."""

_VERSIONS = {"mobiledeploy": __version__}


def quantizes(step: str) -> bool:
    """Whether a step of an export lies between the float graph with opened inputs and the int8 artifact."""
    return not step.startswith(_OTHER_STEPS)


def _seconds_to_quantize(steps: Mapping[str, float]) -> float:
    return sum(seconds for step, seconds in steps.items() if quantizes(step))


def _ours(_: str, network: FloatNetwork, folder: Path, settings: Mapping[str, Any]) -> Made:
    """Quantize with `mobiledeploy.export`.

    The source is the float ONNX file of an export of the network, which gives the same artifact, bit for
    bit, as the network itself.
    """
    result = export_int8(network.files["onnx"], network.inputs.stored, folder, cache=False, **settings)
    return Made(result.artifacts["int8"], _seconds_to_quantize(result.seconds), _VERSIONS)


def _plain_hard_swish(_: str, network: FloatNetwork, folder: Path) -> Made:
    """Quantize as by default, but leave int8 HARD_SWISH one op, which LiteRT's delegate does not take.

    The rewrite goes by the target's table, so a table that has the op in int8 switches it off.
    """
    every = LITERT_2_3.ops | {"HARD_SWISH": Delegated(frozenset({"float32", "int8"}))}
    target = replace(LITERT_2_3, ops=MappingProxyType(every))
    stored = network.inputs.stored
    result = export_int8(network.files["onnx"], stored, folder, cache=False, target=target)
    return Made(result.artifacts["int8"], _seconds_to_quantize(result.seconds), _VERSIONS)


def _setting(title: str, group: str, **settings: Any) -> Method:
    return Method(title, group, partial(_ours, settings=settings), settings=settings)


def _onnx(python: str, network: FloatNetwork, folder: Path, tool: str, method: str) -> Made:
    # Next to the folders of both methods that need it, so that it is made once.
    out = folder.parent / "qdq" / f"{tool}_{method}.onnx"
    return run_tool(python, tool, method, network.files["onnx"], network.inputs.stored.calibration, out)


def _onnx_to_tflite(python: str, network: FloatNetwork, folder: Path, tool: str, method: str) -> Made:
    """The .tflite that mobiledeploy makes of another tool's QDQ model, with the scales that it has."""
    made = _onnx(python, network, folder, tool, method)
    result = mobiledeploy.export(made.path, out=folder)
    return Made(result.artifacts["int8"], made.seconds, {**made.versions, **_VERSIONS})


def _our_fp32(python: str, network: FloatNetwork, folder: Path) -> Made:
    recipe, out = "static_wi8_ai8", folder / "theirs_int8.tflite"
    calibration = network.inputs.stored.calibration
    return run_tool(python, "ai_edge_quantizer", recipe, network.files["fp32"], calibration, out)


def _litert_torch(python: str, network: FloatNetwork, folder: Path) -> Made:
    shape = (1, 3, network.inputs.size, network.inputs.size)
    calibration = network.inputs.stored.calibration
    return quantize_with_litert_torch(python, network.module, shape, calibration, folder)[1]


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
            if name != DEFAULT_CALIBRATOR
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
ENVIRONMENTS = tuple(dict.fromkeys(m.environment for m in METHODS.values() if m.environment))


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
