"""Which nodes make up a layer."""

from __future__ import annotations

from mobiledeploy.exporters.rewrites.stages import rewrite_for_target
from mobiledeploy.graph.onnx_graph import activations_of
from mobiledeploy.quantize.qdq.layers import layers_of
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text


def names(nodes: str, declared: str = "float[4,4,1,1] w, float[4,4,1,1] v") -> dict[str, int]:
    """Layer -> how many nodes it has."""
    model = model_from_text(f"g (float[1,4,8,8] x) => (float[1,4,8,8] y) <{declared}> {{ {nodes} }}")
    rewrite_for_target(model, LITERT_2_3, "int8")
    return {
        layer.name: len(layer.nodes)
        for layer in layers_of(model.graph, activations_of(model.graph), LITERT_2_3)
    }


def test_a_fused_activation_and_an_h_swish_belong_to_the_linear_op_before_them() -> None:
    assert names("a = Conv(x, w) r = Relu(a) b = Conv(r, v) s = HardSwish(b) y = Conv(s, v)") == {
        "r": 2,
        "b": 4,
        "y": 1,
    }


def test_an_activation_that_shares_its_input_is_on_its_own() -> None:
    # Keeping `a` in float would not spare the sum its rounding.
    assert names("a = Conv(x, w) s = Sigmoid(a) y = Add(a, s)") == {"a": 3}
    assert names("a = Conv(x, w) s = Sigmoid(a) m = Mul(s, x) y = Add(m, a)") == {
        "a": 1,
        "s": 1,
        "m": 1,
        "y": 1,
    }


def test_ops_that_only_move_data_are_no_layers() -> None:
    assert names("a = Conv(x, w) y = MaxPool<kernel_shape=[1,1]>(a)") == {"a": 1}
