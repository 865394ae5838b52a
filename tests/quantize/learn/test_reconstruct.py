"""Learned rounding and scales, on a network of a few layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from torch import Tensor

from mobiledeploy.base.errors import InputError, UnsupportedModelError
from mobiledeploy.base.progress import Advance
from mobiledeploy.graph.onnx_graph import result_of
from mobiledeploy.quantize.learn.blocks import find_blocks
from mobiledeploy.quantize.learn.descent import Descent
from mobiledeploy.quantize.learn.reconstruct import ReconstructSettings, reconstruct
from mobiledeploy.quantize.qdq.insert_qdq import insert_qdq
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.runtime.runtimes import OnnxSession, Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import array_of, model_from_text, random_sample

NET = """
    g (float[1,3,12,12] x) => (float[1,6] y)
    <float[8,3,3,3] w1, float[8] b1, float[8,1,3,3] w2, float[8] b2, float[8,8,1,1] w3, float[8] b3,
     float[16,8,1,1] w4, float[16] b4, float[16,1,3,3] w5, float[8,16,1,1] w6, float[6,8] w7, float[6] b7,
     int64[2] axes> {
        a = Conv<pads=[1,1,1,1]>(x, w1, b1)
        r = Relu(a)
        b = Conv<pads=[1,1,1,1], group=8>(r, w2, b2)
        q = Relu(b)
        c = Conv(q, w3, b3)
        s = Add(c, r)
        d = Conv(s, w4, b4)
        u = Relu(d)
        e = Conv<pads=[1,1,1,1], group=16>(u, w5)
        f = Conv(e, w6)
        t = Add(f, s)
        m = ReduceMean<keepdims=0>(t, axes)
        y = Gemm<transB=1>(m, w7, b7)
    }"""

QUICK = ReconstructSettings(iterations=40, tuning=30, batch=8)

Planner = Callable[[ir.Model], Plan]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where progress is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mobiledeploy" / "reconstruct"


def samples(model: ir.Model, start: int = 0, count: int = 48) -> list[Sample]:
    return [random_sample(model, seed, 1.0) for seed in range(start, start + count)]


class Counted:
    """Counts what is done of a step."""

    total: int | None = None
    done = 0

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Advance]:
        self.total = total
        yield self._advance

    def _advance(self) -> None:
        self.done += 1


def network() -> ir.Model:
    return model_from_text(NET, axes=[2, 3])


def outputs(model: ir.Model, inputs: list[Sample]) -> NDArray[np.float32]:
    session = OnnxSession(model, optimize=False, threads=1)
    return np.concatenate([next(iter(session.run(sample).values())) for sample in inputs])


def coarse(model: ir.Model, plan: Plan) -> Plan:
    """Weights of a few steps, so that how they are rounded matters."""
    for node in model.graph:
        if (linear := plan.linear(node)) is not None:
            scale = linear.params.scale * np.float32(16)
            plan.weights[result_of(node)] = replace(linear.params, scale=scale)
    return plan


def learned(planned: Planner, settings: ReconstructSettings = QUICK) -> tuple[ir.Model, Plan]:
    model = network()
    plan = coarse(model, planned(model))
    reconstruct(model, model.clone(), plan, samples(model), LITERT_2_3, settings)
    return model, plan


def same(first: tuple[ir.Model, Plan], second: tuple[ir.Model, Plan]) -> bool:
    one, other = (m.graph.initializers for m in (first[0], second[0]))
    scales = zip(first[1].activations.values(), second[1].activations.values(), strict=True)
    return all(np.array_equal(array_of(one[n]), array_of(other[n])) for n in one) and all(
        a.same_as(b) for a, b in scales
    )


def test_held_out_error_is_far_below_that_of_rounding_to_nearest(planned: Planner) -> None:
    model, held_out = network(), samples(network(), 1000)
    wanted, plan = outputs(model, held_out), coarse(model, planned(model))
    insert_qdq(model, plan)
    nearest = np.square(outputs(model, held_out) - wanted).mean()
    model, plan = learned(planned)
    insert_qdq(model, plan)
    assert np.square(outputs(model, held_out) - wanted).mean() < nearest / 2


def test_blocks_leave_weights_on_the_grid_next_to_where_they_were(planned: Planner) -> None:
    before = network()
    model, plan = learned(planned, replace(QUICK, tuning=0))
    moved = 0
    for old, new in zip(before.graph, model.graph, strict=True):
        if (linear := plan.linear(new)) is None:
            continue
        shape = [-1 if axis == linear.params.axis else 1 for axis in range(linear.weights.ndim)]
        scale = linear.params.scale.reshape(shape).astype(np.float64)
        steps = linear.weights / scale
        assert np.abs(steps - np.rint(steps)).max() < 1e-4
        assert plan.weights[result_of(new)].same_as(linear.params)
        distance = np.abs(np.rint(steps) - array_of(old.inputs[1]) / scale)
        assert distance.max() < 1 + 1e-4
        moved += int((distance > 0.5).sum())
    assert moved > 10


def test_two_runs_give_the_same_bits_and_another_seed_does_not(planned: Planner) -> None:
    first = learned(planned)
    assert same(first, learned(planned))
    assert not same(first, learned(planned, replace(QUICK, seed=1)))


def test_what_is_learned_from_is_the_exact_network(planned: Planner) -> None:
    model, exact, held_out = network(), network(), samples(network(), 1000)
    for name in ("b1", "b3"):
        bias = model.graph.initializers[name]
        bias.const_value = ir.tensor(array_of(bias) + np.float32(0.3), name=name)
    wanted, shifted = outputs(exact, held_out), outputs(model, held_out)
    plan = planned(model)
    reconstruct(model, exact, plan, samples(model), LITERT_2_3, QUICK)
    insert_qdq(model, plan)
    assert np.square(outputs(model, held_out) - wanted).mean() < np.square(shifted - wanted).mean() / 2


@pytest.mark.parametrize("at", [1, 2, -1, -2])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    at: int, planned: Planner, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mobiledeploy.quantize.learn.reconstruct._AT_A_TIME", 10)
    whole = learned(planned)
    assert not list(cache.iterdir())
    model = network()
    plan = coarse(model, planned(model))
    parts = len(find_blocks(model.graph, plan)) + 3
    run, broken_at, calls = Descent.run, at % parts, 0

    def broken(self: Descent, loss_of: Callable[[int], Tensor], steps: int | None = None) -> None:
        nonlocal calls
        calls += 1
        if calls == broken_at + 1:
            run(self, loss_of, 1)
            raise KeyboardInterrupt  # in the middle of a part, after others were finished
        run(self, loss_of, steps)

    monkeypatch.setattr(Descent, "run", broken)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(model, model.clone(), plan, samples(model), LITERT_2_3, QUICK)
    assert len(list(cache.iterdir())) == 1
    calls = -100
    model = network()
    plan = coarse(model, planned(model))
    shown = Counted()
    reconstruct(model, model.clone(), plan, samples(model), LITERT_2_3, QUICK, shown)
    assert calls == -100 + parts - broken_at
    assert shown.done == shown.total == parts
    assert same(whole, (model, plan))
    assert not list(cache.iterdir())


def test_steps_are_counted_and_blocks_reported(planned: Planner) -> None:
    model = network()
    plan, shown = planned(model), Counted()
    settings = ReconstructSettings(iterations=2, tuning=1)
    log = reconstruct(model, model.clone(), plan, samples(model, count=4), LITERT_2_3, settings, shown)
    assert shown.done == shown.total == len(find_blocks(model.graph, plan)) + 1 == len(log)
    assert log[0].startswith("s: error ") and "; kept " in log[-1]


def test_what_makes_the_outputs_worse_is_not_kept(planned: Planner) -> None:
    model, before = network(), network()
    plan = planned(model)
    wild = ReconstructSettings(iterations=3, tuning=3, rounding_rate=10.0, scale_rate=2.0, bias_rate=10.0)
    log = reconstruct(model, model.clone(), plan, samples(model), LITERT_2_3, wild)
    assert log[-1].endswith("kept as it was")
    for old, new in zip(before.graph, model.graph, strict=True):
        if (linear := plan.linear(new)) is not None:
            off = np.abs(array_of(old.inputs[1]) - linear.weights)
            assert off.max() <= 0.5001 * linear.params.scale.max()


def test_scales_only_grow_and_those_that_an_op_demands_stay(planned: Planner) -> None:
    model = model_from_text(NET.replace("q = Relu(b)", "q = Sigmoid(b)"), axes=[2, 3])
    plan = planned(model)
    before = dict(plan.activations)
    settings = ReconstructSettings(iterations=5, tuning=5)
    reconstruct(model, model.clone(), plan, samples(model, count=8), LITERT_2_3, settings)
    grown = {name: float(p.scale[0] / before[name].scale[0]) for name, p in plan.activations.items()}
    assert grown["q"] == 1.0 < max(grown.values()) and min(grown.values()) == 1.0


def test_an_op_that_cannot_be_run_is_named(planned: Planner) -> None:
    model = model_from_text("g (float[1,4] x) => (float[1,4] y) { a = Relu(x) y = Erf(a) }")
    with pytest.raises(UnsupportedModelError, match="Erf node 'y' cannot be computed in PyTorch"):
        reconstruct(model, model.clone(), planned(model), samples(model), LITERT_2_3)


def test_no_samples_is_an_error(planned: Planner) -> None:
    model = network()
    with pytest.raises(InputError, match="no samples to learn from, expected at least one"):
        reconstruct(model, model.clone(), planned(model), [], LITERT_2_3)
