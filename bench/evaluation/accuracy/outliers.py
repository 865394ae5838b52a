"""Outlier channels, and what equalization does about them.

Run it as `python -m mobiledeploy.bench.evaluation.accuracy.outliers`.

A few channels of a trained network are scaled by 30, which the next layer undoes, so that the float function
stays as it is while ranges of weights and activations become as uneven as in the worst networks. With
equalization the int8 output should be as good as that of the network as it was trained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

import mobiledeploy
from mobiledeploy.base.errors import InputError, MobileDeployError
from mobiledeploy.base.terminal import complain
from mobiledeploy.bench.evaluation.accuracy.arguments import add_images
from mobiledeploy.bench.evaluation.accuracy.figures import Figures, compare_logits, logits
from mobiledeploy.bench.evaluation.accuracy.inputs import Inputs, draw_inputs
from mobiledeploy.bench.evaluation.accuracy.markdown import line
from mobiledeploy.bench.evaluation.accuracy.network import FloatNetwork, Request
from mobiledeploy.cli.arguments import Parser, at_least, number
from mobiledeploy.graph.onnx_graph import float_array, load_onnx
from mobiledeploy.report.record import as_json
from mobiledeploy.runtime.runtimes import TfliteSession
from mobiledeploy.sources.open_source import INPUT_NAME

__all__ = ["Outcome", "main", "measure_outliers", "page", "scale_channels"]

PROGRAM = "python -m mobiledeploy.bench.evaluation.accuracy.outliers"
FACTOR, CHANNELS = 30.0, 3


@dataclass(frozen=True)
class Outcome:
    """Attributes:
    network: As on the command line.
    layers: Names of the results of which channels were scaled.
    function_db: SQNR of the scaled float network's logits against those of the trained one: the function.
    trained, scaled: Whether equalization was on -> int8 against float, of the network as it was trained and
        with scaled channels.
    """

    network: str
    layers: list[str]
    function_db: float
    trained: dict[str, Figures]
    scaled: dict[str, Figures]


def scale_channels(
    model: ir.Model, factor: float = FACTOR, channels: int = CHANNELS, seed: int = 0
) -> list[str]:
    """Scale channels of every convolution that only another one reads, at most after a ReLU, in place.

    ReLU(a x) = a ReLU(x) for a > 0, so the next convolution's weights undo it: the function stays the same.

    Args:
        channels: How many of each, drawn by ``seed``; never more than a quarter of them.

    Returns:
        Names of the results that were scaled, in graph order.
    """
    rng, scaled = np.random.default_rng(seed), []
    for first, second in list(_pairs(model)):
        weights, after = float_array(first.inputs[1]), float_array(second.inputs[1])
        assert weights is not None
        assert after is not None
        count = min(channels, len(weights) // 4)
        if not count:
            continue
        factors = np.ones(len(weights), np.float32)
        factors[rng.choice(len(weights), count, replace=False)] = factor
        _replace(first, 1, weights * factors[:, None, None, None])
        bias = float_array(first.inputs[2]) if len(first.inputs) > 2 else None
        if bias is not None:
            _replace(first, 2, bias * factors)
        # (out, in/groups, kh, kw): a depthwise kernel has its channel first.
        shape = (-1, 1, 1, 1) if _is_depthwise(second) else (1, -1, 1, 1)
        _replace(second, 1, after / factors.reshape(shape))
        scaled.append(first.outputs[0].name or "")
    return scaled


def _pairs(model: ir.Model) -> Iterator[tuple[ir.Node, ir.Node]]:
    for node in model.graph:
        if node.op_type != "Conv" or float_array(node.inputs[1]) is None:
            continue
        reader = _only_reader(node)
        if reader is not None and reader.op_type == "Relu":
            reader = _only_reader(reader)
        if reader is None or reader.op_type != "Conv" or float_array(reader.inputs[1]) is None:
            continue
        if reader.attributes.get_int("group", 1) == 1 or _is_depthwise(reader):
            yield node, reader


def _only_reader(node: ir.Node) -> ir.Node | None:
    (value,) = node.outputs
    readers = [use.node for use in value.uses()]
    return readers[0] if len(readers) == 1 and not value.is_graph_output() else None


def _is_depthwise(node: ir.Node) -> bool:
    weights = float_array(node.inputs[1])
    assert weights is not None
    groups = int(node.attributes.get_int("group", 1))
    return groups == len(weights) > 1 and weights.shape[1] == 1


def _replace(node: ir.Node, place: int, array: NDArray[np.float32]) -> None:
    """Give a node constants of its own: others may read those that it had."""
    old = node.inputs[place]
    assert old is not None
    name = f"{old.name}~scaled_{node.outputs[0].name}"
    value = ir.Value(name=name, const_value=ir.tensor(array.astype(np.float32), name=name))
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    graph.register_initializer(value)
    node.replace_input_with(place, value)


def measure_outliers(
    network: FloatNetwork, folder: Path, factor: float = FACTOR, channels: int = CHANNELS
) -> Outcome:
    """Quantize a network as it is and with scaled channels, with and without equalization.

    Raises:
        InputError: The network has no place where channels can be scaled.
    """
    inputs = network.inputs
    model = load_onnx(network.onnx)
    layers = scale_channels(model, factor, channels, inputs.seed)
    if not layers:
        raise InputError(
            f"{network.request} has no convolution that only another one reads, at most after a ReLU, "
            "expected one whose channels can be scaled; choose another network"
        )
    folder.mkdir(parents=True, exist_ok=True)
    scaled = folder / "scaled.onnx"
    scaled.write_bytes(ir.to_proto(model).SerializeToString())
    trained_figures: dict[str, Figures] = {}
    scaled_figures: dict[str, Figures] = {}
    function_db = 0.0
    for key in ("on", "off"):
        settings: dict[str, Any] = {"equalize": key == "on"}
        for source, figures in ((network.onnx, trained_figures), (scaled, scaled_figures)):
            result = mobiledeploy.export(
                source,
                int8=True,
                calibration=inputs.for_export,
                samples=inputs.samples,
                seed=inputs.seed,
                cache=False,
                out=folder / f"{source.stem}_{key}",
                **settings,
            )
            figures[key] = _figures(result.artifacts["int8"], network)
            if source == scaled:
                function_db = _figures(result.artifacts["fp32"], network).sqnr_db
    return Outcome(str(network.request), layers, function_db, trained_figures, scaled_figures)


def _figures(path: Path, network: FloatNetwork) -> Figures:
    found = logits(TfliteSession(path, nhwc=True), INPUT_NAME, network.inputs.images())
    return compare_logits(network.logits, found, network.inputs.validation.labels)


def page(outcomes: Sequence[Outcome]) -> str:
    """SQNR as trained and scaled, as Markdown."""
    columns = ("network", "layers scaled", "function, dB", "equalization", "as trained, dB", "scaled, dB")
    heads = [*columns, "change, dB", "drop as trained", "drop scaled"]
    lines = [line(heads), line(["---"] * len(heads))]
    for outcome in outcomes:
        for key, trained in outcome.trained.items():
            scaled = outcome.scaled[key]
            lines.append(
                line(
                    [
                        outcome.network,
                        str(len(outcome.layers)),
                        f"{outcome.function_db:.0f}",
                        key,
                        f"{trained.sqnr_db:.1f}",
                        f"{scaled.sqnr_db:.1f}",
                        f"{scaled.sqnr_db - trained.sqnr_db:+.1f}",
                        f"{trained.drop:.2f} ± {trained.drop_error:.2f}",
                        f"{scaled.drop:.2f} ± {scaled.drop_error:.2f}",
                    ]
                )
            )
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> int:
    """Parse, measure, print the table. Returns the exit code."""
    args = _parser().parse_args(arguments)
    try:
        inputs = draw_inputs(
            args.data, args.validation, args.size, args.samples, args.limit, args.seed, args.out / "inputs"
        )
        outcomes = [_outcome(network, inputs, args) for network in args.network]
    except MobileDeployError as error:
        complain(f"error: {error}")
        return error.exit_code
    settings = {"factor": args.factor, "channels": args.channels, "seed": args.seed, "size": args.size}
    record = {"settings": settings, "outcomes": [asdict(outcome) for outcome in outcomes]}
    (args.out / "outliers.json").write_text(as_json(record))
    (args.out / "outliers.md").write_text(page(outcomes))
    print(page(outcomes), end="")
    return 0


def _outcome(asked: Request, inputs: Inputs, args: argparse.Namespace) -> Outcome:
    network = FloatNetwork(asked, inputs, args.out / "files")
    return measure_outliers(network, network.folder / "outliers", args.factor, args.channels)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description="Outlier channels, and what equalization does about them.")
    add_images(parser)
    add = parser.add_argument
    add("--factor", type=number, default=FACTOR, metavar="X", help="of a channel (default: %(default)g)")
    add("--channels", type=at_least(1), default=CHANNELS, metavar="N", help="of a layer (default: 3)")
    add("--out", type=Path, default=Path("artifacts/outliers"), metavar="DIR", help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
