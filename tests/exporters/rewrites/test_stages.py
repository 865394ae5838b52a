"""All rewrites together, on a block with everything in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.rewrites import stages
from mobiledeploy.exporters.rewrites.rule import Applied, Rule
from mobiledeploy.exporters.rewrites.stages import STAGES, register_rule, rewrite_for_target
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.graph.onnx_graph import constant, shape_of
from mobiledeploy.graph.op_traits import LINEAR_OPS, WEIGHTED
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import assert_same_outputs, model_from_text, op_types, random_sample


class Gate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return (
            x
            * functional.relu6(self.fc2(functional.relu(self.fc1(functional.adaptive_avg_pool2d(x, 1)))) + 3)
            / 6
        )


class Block(nn.Module):
    """Expansion, depthwise convolution, squeeze-excite gate, projection, residual connection: 8 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        self.depthwise = nn.Sequential(
            nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False), nn.BatchNorm2d(16), nn.Hardswish()
        )
        self.gate = Gate(16)
        self.project = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.project(self.gate(self.depthwise(self.expand(x))))
        return result


class Network(nn.Module):
    """A stem whose hard-swish feeds a residual connection, two blocks, a classifier with a hard-swish."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish())
        self.blocks = nn.Sequential(Block(), Block())
        self.classifier = nn.Sequential(nn.Linear(8, 12), nn.Hardswish(), nn.Dropout(), nn.Linear(12, 5))

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1)
        result: Tensor = self.classifier(pooled.flatten(1))
        return result


class SideBySide(nn.Module):
    """Convolutions of equal shares of the channels."""

    def __init__(self, *convolutions: nn.Module) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        shares = x.chunk(len(self.convolutions), dim=1)
        return torch.cat([conv(share) for conv, share in zip(self.convolutions, shares, strict=True)], dim=1)


class MixBlock(nn.Module):
    """MixConv: split 1x1 convolutions around depthwise ones of three sizes, a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        kernels = (nn.Conv2d(8, 8, size, padding=size // 2, groups=8, bias=False) for size in (3, 5, 7))
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.block = nn.Sequential(
            SideBySide(*(nn.Conv2d(4, 12, 1, bias=False) for _ in range(2))),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            SideBySide(*kernels),
            nn.BatchNorm2d(24),
            nn.ReLU6(),
            SideBySide(*(nn.Conv2d(12, 4, 1, bias=False) for _ in range(2))),
            nn.BatchNorm2d(8),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        result: Tensor = x + self.block(x)
        return result


@pytest.fixture(scope="module")
def exported() -> ir.Model:
    return export(Network)


def export(build: Callable[[], nn.Module]) -> ir.Model:
    """A network whose batch norms do something, as it comes from PyTorch."""
    torch.manual_seed(0)
    network = build()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return torch_to_onnx(network, {"image": (1, 3, 16, 16)})


def test_int8_leaves_no_constant_factor_and_no_hard_swish(exported: ir.Model) -> None:
    model = exported.clone()
    log = rewrite_for_target(model, LITERT_2_3, "int8")
    assert_same_outputs(exported, model, rtol=0, atol=1e-6)
    counts = Counter(op_types(model))
    # Per block 5 convolutions and the sum of the residual connection; per hard-swish an Add, a Clip and a
    # Mul; per gate a Clip and a Mul.
    assert counts == {
        "Conv": 11,
        "Gemm": 2,
        "Add": 2 + 6,
        "Clip": 6 + 2,
        "Mul": 6 + 2,
        "Relu": 2,
        "ReduceMean": 3,
    }
    factors = [
        node
        for node in model.graph
        if node.op_type == "Mul" and any(constant(v) is not None for v in node.inputs)
    ]
    assert factors == []
    assert log.refused == ()


def test_float_keeps_hard_swish_and_still_folds_the_gates(exported: ir.Model) -> None:
    model = exported.clone()
    rewrite_for_target(model, LITERT_2_3, "float32")
    assert_same_outputs(exported, model, rtol=0, atol=1e-6)
    counts = Counter(op_types(model))
    assert counts == {
        "Conv": 11,
        "Gemm": 2,
        "HardSwish": 6,
        "Add": 2,
        "Clip": 2,
        "Mul": 2,
        "Relu": 2,
        "ReduceMean": 3,
    }


def test_twice_is_once(exported: ir.Model) -> None:
    model = exported.clone()
    rewrite_for_target(model, LITERT_2_3, "int8")
    before = op_types(model)
    assert rewrite_for_target(model, LITERT_2_3, "int8").applied == ()
    assert op_types(model) == before


def test_same_names_and_bits_in_every_run(exported: ir.Model) -> None:
    models = [exported.clone(), exported.clone()]
    for model in models:
        rewrite_for_target(model, LITERT_2_3, "int8")
    first, second = (ir.to_proto(model).SerializeToString(deterministic=True) for model in models)
    assert first == second


def test_values_that_mean_the_same_keep_their_names(exported: ir.Model) -> None:
    model = exported.clone()
    rewrite_for_target(model, LITERT_2_3, "int8")
    sessions = [
        (m, {value.name: value for node in m.graph for value in node.outputs}) for m in (exported, model)
    ]
    common = [name for name in sessions[0][1] if name in sessions[1][1] and name is not None]
    assert {"stem.1", "blocks.0.depthwise.1", "blocks.1.gate.fc1", "output"} <= set(common)
    sample = random_sample(model)
    before, after = (
        OnnxSession(m, extra_outputs=common, optimize=False).values(sample, common) for m, _ in sessions
    )
    for name, one, other in zip(common, before, after, strict=True):
        assert np.allclose(one, other, rtol=0, atol=1e-6 * np.abs(one).max()), name


@pytest.fixture(scope="module")
def mixed() -> ir.Model:
    return export(MixBlock)


def test_mixed_convolutions_in_int8(mixed: ir.Model) -> None:
    """Nothing is left of the batch norms, and the split 1x1 convolutions are one each."""
    model = mixed.clone()
    log = rewrite_for_target(model, LITERT_2_3, "int8")
    assert_same_outputs(mixed, model, rtol=0, atol=1e-6)
    # The stem, 1 x 1, three sizes, 1 x 1.
    assert Counter(op_types(model)) == {"Conv": 6, "Relu": 1, "Clip": 3, "Split": 1, "Concat": 1, "Add": 1}
    groups = [node.attributes.get_int("group", 1) for node in model.graph if node.op_type == "Conv"]
    assert groups == [1, 2, 8, 8, 8, 2]
    assert log.refused == ()


def test_mixed_convolutions_in_float_have_fast_kernels(mixed: ir.Model) -> None:
    model = mixed.clone()
    rewrite_for_target(model, LITERT_2_3, "float32")
    assert_same_outputs(mixed, model, rtol=0, atol=1e-6)
    counts = Counter(op_types(model))
    assert counts["Conv"] == 6 + 2  # the 7 x 7 kernel in three strips
    assert counts["Add"] == 1 + 2
    assert not {"BatchNormalization", "Mul", "Sub"} & counts.keys()
    sizes = [
        shape_of(node.inputs[1])[2:] for node in model.graph if node.op_type == "Conv" and node.inputs[1]
    ]
    assert max(height * width for height, width in sizes) == 25


def test_gate_whose_product_meets_no_convolution() -> None:
    """As in SE-ResNet: the 1/6 settles on the small gate, not on the image."""
    model = model_from_text(
        """g (float[1, 4, 6, 6] x) => (float[1, 4, 6, 6] y)
            <int64[2] axes = {2, 3}, float[4, 4, 1, 1] w, float[4] b> {
            m = ReduceMean(x, axes) z = Conv(m, w, b) h = HardSigmoid<alpha = 0.16666667>(z)
            p = Mul(x, h) y = Add(p, x) }"""
    )
    before = model.clone()
    rewrite_for_target(model, LITERT_2_3, "int8")
    assert op_types(model) == ["ReduceMean", "Conv", "Clip", "Mul", "Mul", "Add"]
    sizes = [int(np.prod(shape_of(node.outputs[0]))) for node in model.graph]
    assert sizes == [4, 4, 4, 4, 144, 144]
    assert_same_outputs(before, model, rtol=0, atol=1e-6)


def test_quotient_and_batch_norm_without_a_linear_op() -> None:
    model = model_from_text(
        """g (float[1, 4, 6, 6] x) => (float[1, 2, 6, 6] y)
            <float six = {6.0}, float[4] v, float[4] one, float[2, 4, 1, 1] w> {
            q = Div(x, six) n = BatchNormalization(q, v, v, v, one) r = Relu(n) y = Conv(r, w) }""",
        one=1.0,
    )
    before = model.clone()
    rewrite_for_target(model, LITERT_2_3, "int8")
    assert op_types(model) == ["Mul", "Add", "Relu", "Conv"]
    assert_same_outputs(before, model, rtol=0, atol=1e-6)


def every_rule() -> list[type[Rule]]:
    return [rule for stage in STAGES.values() if isinstance(stage, tuple) for rule in stage]


def test_every_rule_says_what_it_does() -> None:
    rules = every_rule()
    assert [rule.__name__ for rule in rules if "->" not in (rule.__doc__ or "")] == []
    assert len({rule.__name__ for rule in rules}) == len(rules)


def test_the_names_in_a_report_can_be_searched_for() -> None:
    sources = "".join(path.read_text() for path in Path(stages.__file__).parent.glob("*.py"))
    names = [rule.__name__ for rule in every_rule()]
    assert [name for name in names if f"class {name}(" not in sources and f'"{name}"' not in sources] == []


def test_every_linear_op_takes_in_what_is_around_it() -> None:
    names = {rule.__name__ for rule in every_rule()}
    assert {f"AbsorbScaleIn{op}" for op in WEIGHTED} <= names
    assert {f"FoldBatchNormInto{op}" for op in LINEAR_OPS} <= names
    assert {f"ShiftHardSigmoidInto{op}" for op in LINEAR_OPS} <= names


class NegAbsToAbs(Rule):
    """Abs(Neg(x)) -> Abs(x)."""

    def pattern(self, op: Any, x: Any) -> Any:
        return op.Abs(op.Neg(x))

    def rewrite(self, op: Any, x: ir.Value) -> Any:
        return op.Abs(x)


def negated() -> ir.Model:
    return model_from_text("g (float[2] x) => (float[2] y) { n = Neg(x) y = Abs(n) }")


def test_a_users_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STAGES", dict(STAGES))
    register_rule("OneForm", NegAbsToAbs)
    model = negated()
    log = rewrite_for_target(model, LITERT_2_3, "int8")
    assert (op_types(model), log.applied) == (["Abs"], (Applied("NegAbsToAbs", 1),))
    with pytest.raises(ValueError, match="has a rule NegAbsToAbs, expected another name"):
        register_rule("OneForm", NegAbsToAbs)
    for stage in ("RouteChannels", "Nowhere"):
        with pytest.raises(ValueError, match=f"'{stage}' is no stage of rules, expected one of OneForm"):
            register_rule(stage, NegAbsToAbs)


def test_rules_and_stages_that_are_left_out(exported: ir.Model) -> None:
    model = exported.clone()
    log = rewrite_for_target(model, LITERT_2_3, "int8", {"HardSwishToRelu6", "CarryScale"})
    fired = {applied.rule for applied in log.applied}
    assert "ShiftHardSigmoidIntoConv" in fired
    assert not any(name.startswith(("AbsorbScale", "ScaleThrough")) for name in fired)
    assert "HardSwish" in op_types(model)
    with pytest.raises(
        InputError, match="--without-rule is 'CarryScales', expected a rewrite or a stage, such as CarryScale"
    ):
        rewrite_for_target(negated(), LITERT_2_3, "int8", ["CarryScales"])
