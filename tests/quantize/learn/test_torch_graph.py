"""The graph in PyTorch: what it computes is what ONNX Runtime computes, in float and quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
import torch
from numpy.typing import NDArray

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.tflite.lowerings.registry import has_int8_form
from mobiledeploy.graph.onnx_graph import constant
from mobiledeploy.graph.params import activation_params
from mobiledeploy.quantize.learn.torch_graph import TorchGraph
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.quantize.qdq.points import find_points
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import array_of, model_from_text, random_sample

Floats = NDArray[np.float32]
Planner = Callable[[ir.Model], Plan]

NET = """
    g (float[1,3,8,8] x) => (float[1,5] y, float[1,4,8,8] r)
    <float[4,3,3,3] w, float[4] b, float[4,1,3,3] u, float[4] c, float[4,5] v, float[5] d, float[1] three,
     int64[2] axes, int64[2] flat> {
        s = Conv<pads=[1,1,1,1]>(x, w, b)
        r = Relu(s)
        e = Conv<pads=[1,1,1,1], group=4>(r, u, c)
        t = Add(e, three)
        k = Relu(t)
        z = Mul(k, e)
        o = Add(z, r)
        m = ReduceMean<keepdims=1>(o, axes)
        f = Reshape(m, flat)
        y = Gemm(f, v, d)
    }"""


@pytest.fixture
def net(planned: Planner) -> tuple[ir.Model, Plan]:
    model = model_from_text(NET, three=3.0, axes=[2, 3], flat=[1, -1])
    return model, planned(model)


def in_torch(graph: TorchGraph, model: ir.Model, count: int = 4) -> list[Floats]:
    """The outputs of a batch of random samples."""
    samples = [random_sample(model, seed, 1.0) for seed in range(count)]
    batch = [torch.tensor(np.concatenate([s[v.name or ""] for s in samples])) for v in model.graph.inputs]
    with torch.no_grad():
        results = graph(*batch)
    return [result.numpy() for result in (results if isinstance(results, tuple) else (results,))]


def in_onnx(model: ir.Model, names: ir.Model, count: int = 4) -> list[Floats]:
    session = OnnxSession(model, optimize=False, threads=1)
    runs = [session.run(random_sample(names, seed, 1.0)) for seed in range(count)]
    return [np.concatenate([run[v.name or ""] for run in runs]) for v in names.graph.outputs]


def written(model: ir.Model, plan: Plan) -> ir.Model:
    """The QDQ graph; the model itself, changed."""
    insert_qdq(model, plan)
    return model


def test_float_mode_computes_what_the_graph_does(net: tuple[ir.Model, Plan]) -> None:
    model, plan = net
    graph = TorchGraph(model, plan)
    graph.quantized = False
    for wanted, found in zip(in_onnx(model, model), in_torch(graph, model), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_quantized_it_is_the_qdq_graph(net: tuple[ir.Model, Plan]) -> None:
    model, plan = net
    found, names = in_torch(TorchGraph(model, plan), model), model.clone()
    steps = [plan.activations[value.name or ""].scale[0] for value in model.graph.outputs]
    for wanted, got, step in zip(in_onnx(written(model, plan), names), found, steps, strict=True):
        off = np.abs(got - wanted) / step
        assert off.max() < 1.01 and (off > 0.01).mean() < 0.01  # a sum rounded otherwise may flip a tie


@pytest.mark.parametrize(
    "body",
    [
        "y = Sigmoid(x)",
        "y = Clip(x, low, high)",
        "a = Relu(x) y = HardSigmoid<alpha=0.2>(a)",
        "y = Softmax<axis=1>(x)",
        "y = Slice(x, one, three, one, one)",
        "y = Gather<axis=1>(x, picked)",
        "a, b = Split<axis=1>(x, halves) y = Concat<axis=1>(b, x, a)",
        "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[0,0,1,1]>(x)",
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x)",
        "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)",
        "y = Conv<strides=[2,2], pads=[0,0,1,1], group=2>(x, w)",
        "y = Pad(x, pads)",
        "y = ReduceMean<keepdims=0>(x, axes)",
        "y = Transpose<perm=[0,2,3,1]>(x)",
        "a = Reshape(x, flat) y = MatMul(a, m)",
        "a = Add(x, c) b = LeakyRelu(a) d = Tanh(b) y = Sub(d, x)",
    ],
)
def test_each_op_on_a_batch(body: str, planned: Planner) -> None:
    model = model_from_text(
        f"""g (float[1,4,4,4] x) => (y) <float low, float high, float[4,2,3,3] w, float[64,3] m,
            float[1,4,1,1] c, int64[1] one, int64[1] three, int64[3] picked, int64[2] halves,
            int64[8] pads, int64[2] axes,
            int64[2] flat> {{ {body} }}""",
        low=-0.5,
        high=0.7,
        one=[1],
        three=[3],
        picked=[3, 0, 0],
        halves=[1, 3],
        pads=[0, 0, 1, 2, 0, 0, 3, 4],
        axes=[-1, -2],
        flat=[1, -1],
    )
    plan = planned(model)
    graph = TorchGraph(model, plan)
    graph.quantized = False
    (wanted,) = in_onnx(model, model)
    np.testing.assert_allclose(in_torch(graph, model)[0], wanted, rtol=1e-5, atol=1e-6)
    graph.quantized = True
    (found,), names = in_torch(graph, model), model.clone()
    params = plan.params_of(model.graph.outputs[0])
    step = 1e-6 if params is None else float(params.scale[0])
    off = np.abs(found - in_onnx(written(model, plan), names)[0]) / step
    assert off.max() < 1.01 and (off > 0.01).mean() < 0.01


def test_gradients_reach_weights_biases_and_scales(net: tuple[ir.Model, Plan]) -> None:
    model, plan = net
    graph = TorchGraph(model, replace(plan, fixed=frozenset(["x"])))
    y, _ = graph(torch.tensor(random_sample(model)["x"]))
    y.square().sum().backward()
    for name, parameter in graph.named_parameters():
        if parameter.requires_grad and "1.weights" not in name:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    without = [s for s in graph.scales if s.log_factor.grad is None]
    assert len(without) == 1 and without[0] is graph.scale_of(model.graph.inputs[0])


def test_the_gradient_of_a_scale_is_that_of_its_numbers() -> None:
    """Beyond the range of x a result is 255 scales; y rounds nothing away, so its scale gets nothing."""
    model = model_from_text("g (float[1,2] x) => (float[1,2] y) { y = Relu(x) }")
    points = find_points(model.graph, LITERT_2_3, has_int8_form)
    graph = TorchGraph(model, Plan(points, dict.fromkeys(points.values, activation_params(0.0, 255.0))))
    graph(torch.tensor([[300.0, 400.0]])).sum().backward()
    gradients = [p.grad for name, p in graph.named_parameters() if p.grad is not None]
    assert torch.cat(gradients).tolist() == [510.0, 0.0]


def test_what_is_written_are_the_integers_of_the_module(net: tuple[ir.Model, Plan]) -> None:
    model, plan = net
    graph = TorchGraph(model, plan)
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    expected = {}
    for node in graph.nodes:
        if (linear := graph.linear(node)) is not None:
            expected[node.op_type, node.inputs[0].name] = (  # type: ignore[union-attr]
                linear.integers().numpy(),
                linear.params().scale,
            )
    found, names = in_torch(graph, model), model.clone()
    graph.write()
    again = in_torch(TorchGraph(model, plan), model)
    qdq = written(model, plan)
    for first, second, third in zip(found, again, in_onnx(qdq, names), strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, third, atol=1e-6)
    checked = 0
    for node in qdq.graph:
        if node.op_type in ("Conv", "Gemm"):
            source, dequantizer = node.inputs[0].producer(), node.inputs[1].producer()  # type: ignore[union-attr]
            assert source is not None and dequantizer is not None
            name = (source.name or "").removesuffix("/DQ")
            integers, weight_scale = expected[node.op_type, name]
            np.testing.assert_array_equal(constant(dequantizer.inputs[0]), integers)
            np.testing.assert_array_equal(constant(dequantizer.inputs[1]), weight_scale)
            checked += 1
    assert checked == 3


def test_weights_that_two_layers_share_are_written_for_each(planned: Planner) -> None:
    model = model_from_text(
        """g (float[1,4,4,4] x) => (float[1,4,4,4] y) <float[4,4,1,1] w, float[4] b> {
            c = Conv(x, w, b)
            y = Conv(c, w, b)
        }"""
    )
    graph = TorchGraph(model, planned(model))
    with torch.no_grad():
        graph.linears[0].weights.neg_()
    graph.write()
    first, second = (array_of(node.inputs[1]) for node in model.graph)
    np.testing.assert_array_equal(first, -second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g (float[1,4] x) => (float[1,4] y) { y = Erf(x) }", "Erf node 'y' cannot be computed in PyTorch"),
        (
            "g (float[1,4] x) => (float[4] y) <int64[1] n> { y = Reshape(x, n) }",
            "Reshape node 'y' makes .* into .*, expected a form that computes each sample of a batch alone",
        ),
        (
            "g (float[2,4] x) => (float[2,4] y) { y = Relu(x) }",
            "input 'x' has the shape .*, expected 1 in front",
        ),
    ],
)
def test_what_cannot_be_computed_is_named(text: str, message: str) -> None:
    model = model_from_text(text, n=[4])
    with pytest.raises(UnsupportedModelError, match=message):
        points = find_points(model.graph, LITERT_2_3, has_int8_form)
        TorchGraph(model, Plan(points, dict.fromkeys(points.values, activation_params(-1.0, 1.0))))
