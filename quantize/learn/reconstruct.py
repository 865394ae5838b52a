"""High effort: learn roundings, weights and scales from what the float network computes. No labels.

Block by block, in graph order, each block is made to give what it gives in float while its inputs come from
the quantized blocks before it (BRECQ, Li et al., arXiv 2102.05426). Learned are

  * the rounding of every weight, down or up, by a rectified sigmoid and an annealed regularizer that drives
    it to one of the two (AdaRound, Nagel et al., arXiv 2004.10568, equations 21 to 25);
  * the scale of every group of activations, by gradients straight through (LSQ, Esser et al.,
    arXiv 1902.08153), while activations are left unrounded at random (QDrop, Wei et al., arXiv 2203.05740);
  * the biases.

Then the weights, scales and biases of the whole network are tuned together on its outputs, which no block
sees, by gradients straight through the rounding: what a layer reads is noisy now, and weights that suit clean
inputs best are not those that suit noisy ones best. Of the network as it was, after the blocks and after
tuning, the one is kept whose outputs are best on samples that are held out: few samples are soon known by
heart.

A channel of a block's output counts by the squared gradient of the network's outputs, averaged over samples
and positions: what BRECQ takes from Fisher information, without labels.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from mobiledeploy.base.errors import InputError
from mobiledeploy.base.progress import SILENT, Advance, Progress
from mobiledeploy.graph.onnx_graph import name_of, shape_of
from mobiledeploy.quantize.calibrate.widen_ranges import widen_ranges
from mobiledeploy.quantize.learn.blocks import Block, find_blocks
from mobiledeploy.quantize.learn.descent import Descent
from mobiledeploy.quantize.learn.reconstruct_progress import Kept, KeptProgress
from mobiledeploy.quantize.learn.soft_rounding import SoftRounding
from mobiledeploy.quantize.learn.torch_graph import ActivationScale, LinearConstants, TorchGraph, Values
from mobiledeploy.quantize.qdq.plan import Plan
from mobiledeploy.runtime.runtimes import Sample
from mobiledeploy.runtime.targets import Target

__all__ = ["ReconstructSettings", "reconstruct"]


_HOLDOUT = 8  # one sample in so many

_VARIATIONS = 3  # of each sample of the holdout

_AT_A_TIME = 25  # steps of tuning between two that progress is kept after

_SLOWER = 10.0
"""Scales and biases learn so many times as slowly on the whole network as in a block, whose error they move
far less."""

Candidate = tuple[str, float, dict[str, Tensor]]
"""When, the error of the outputs on samples that are held out, and the state of the graph."""


@dataclass(frozen=True)
class ReconstructSettings:
    """What high effort may spend, and how fast it learns.

    Attributes:
        iterations: Steps of learning per block.
        tuning: Steps of learning on the network's outputs. Scales and biases learn ten times as slowly there.
        batch: Samples per step.
        drop: Share of activations that are left unrounded while a block learns.
        rounding_rate: Learning rate of the rounding variables.
        regularizer: Weight of the rounding regularizer, relative to the error of rounding to nearest.
        scale_rate: Learning rate of the logarithms of activation scales.
        bias_rate: Learning rate of the biases, in shares of the mean magnitude of a layer's biases.
        weight_rate: Learning rate of the weights during tuning, in steps of their int8 scale.
        most_bytes: Most bytes of activations in memory at a time; more samples than fit are left out.
        seed: Random seed of the order of samples, of what is dropped, and of how inputs are varied.
    """

    iterations: int = 100
    tuning: int = 300
    batch: int = 32
    drop: float = 0.5
    rounding_rate: float = 0.02
    regularizer: float = 0.1
    scale_rate: float = 5e-3
    bias_rate: float = 3e-3
    weight_rate: float = 0.01
    most_bytes: int = 1 << 30
    seed: int = 0


def reconstruct(
    model: ir.Model,
    exact: ir.Model,
    plan: Plan,
    samples: Iterable[Sample],
    target: Target,
    settings: ReconstructSettings | None = None,
    progress: Progress = SILENT,
) -> list[str]:
    """Learn roundings, scales and biases; the weights in the graph and the plan are changed in place.

    The same model, plan, samples and settings give the same bits on the same machine with the same number of
    threads. What is done is kept in the user's cache after every block: a run that was interrupted goes on
    there, to the same bits.

    Args:
        model: A float graph, rewritten for the target, with the biases to start from. Weights come out on the
            grid of their int8 scale.
        exact: The same graph with the float network's own weights and biases.
        plan: A plan for that graph; its weight scales are kept.
        samples: Calibration inputs.
        progress: Shows how many blocks, and every few steps of tuning, are done.

    Returns:
        One line for each block, with its error on the samples before and after, one that says what was kept,
        and one for each range that was widened.

    Raises:
        UnsupportedModelError: An op cannot be computed in PyTorch.
        InputError: There are no samples, or the cache cannot be written.
    """
    run = _Reconstruction(model, exact, plan, samples, settings or ReconstructSettings())
    parts = len(run.blocks) + math.ceil(run.settings.tuning / _AT_A_TIME)
    with progress.step("reconstruct blocks", parts) as advance:
        log = run.learn(advance)
    run.graph.write()
    return log + widen_ranges(model.graph, plan, target)


class _Reconstruction:
    """Attributes:
    graph: The graph that learns.
    real: The same graph in float, as it was.
    samples: The samples that it learns from.
    holdout: Other samples, by whose outputs it is decided what is kept; the same ones where there are few.
    """

    def __init__(
        self,
        model: ir.Model,
        exact: ir.Model,
        plan: Plan,
        samples: Iterable[Sample],
        settings: ReconstructSettings,
    ) -> None:
        self.settings = settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.graph = TorchGraph(model, plan).to(self.device)
        self.real = TorchGraph(model, plan).to(self.device).requires_grad_(False)
        self.real.quantized = False
        self.real.take_constants(exact.graph)
        self.blocks = find_blocks(model.graph, plan)
        every = self._stacked(model, samples)
        self.progress = KeptProgress([model, exact], plan, every, settings)
        learned = _count(every) - _count(every) // _HOLDOUT
        self.samples = {value: batch[:learned] for value, batch in every.items()}
        self.holdout = {value: batch[learned:] for value, batch in every.items()}
        if learned == _count(every):
            self.holdout = self.samples
        self.importance: dict[ir.Value, Tensor] = {}

    def learn(self, on_step: Advance) -> list[str]:
        """Learn all blocks, then the whole; what was done in an earlier run is taken from there."""
        candidates = [("as it was", self._output_error(), _copied(self.graph))]
        kept = self.progress.load(self.device) or Kept(0, [], _copied(self.graph))
        log = kept.log
        self.graph.load_state_dict(kept.state)
        self._learn_blocks(kept.done, log, on_step)
        candidates.append(("after all blocks", self._output_error(), _copied(self.graph)))
        if self.settings.tuning:
            after_blocks = candidates[-1][2]
            self.graph.load_state_dict(_best(candidates)[2])
            for tuning in self._tune(kept.tuning, on_step):
                self.progress.save(Kept(len(self.blocks), log, after_blocks, tuning))
            candidates.append(("after tuning", self._output_error(), _copied(self.graph)))
        name, _, state = _best(candidates)
        self.graph.load_state_dict(state)
        self.progress.remove()
        errors = ", ".join(f"{error:.3g} {when}" for when, error, _ in candidates)
        return [*log, f"outputs: error {errors}; kept {name}"]

    def _learn_blocks(self, done: int, log: list[str], on_step: Advance) -> None:
        """Learn all blocks after those that are done."""
        learned_before: set[ActivationScale] = set()
        self.importance = self._importance()
        quantized = real = self.samples
        for index, block in enumerate(self.blocks):
            target = self._batched(self.real, block, real)
            scales = [s for s in self._scales(block) if s not in learned_before]
            if index >= done:
                log.append(self._learn_block(block, index, scales, quantized, real, target))
                self.progress.save(Kept(index + 1, log, self.graph.state_dict()))
            learned_before.update(scales)
            quantized, real = self._batched(self.graph, block, quantized), target
            on_step()

    # Samples

    def _stacked(self, model: ir.Model, samples: Iterable[Sample]) -> Values:
        """Graph input -> all samples that fit, in one tensor on the CPU."""
        most = max(1, self.settings.most_bytes // (4 * self._numbers_per_sample()))
        rows: dict[ir.Value, list[Tensor]] = {value: [] for value in model.graph.inputs}
        for _, sample in zip(range(most), samples, strict=False):
            for value, kept in rows.items():
                kept.append(torch.tensor(sample[name_of(value)], dtype=torch.float32))
        if not all(rows.values()):
            raise InputError("no samples to learn from, expected at least one; give more inputs")
        return {value: torch.cat(kept) for value, kept in rows.items()}

    def _numbers_per_sample(self) -> int:
        """The most numbers of one sample that are held at a time: a block's inputs and outputs, of both."""
        return max(
            2 * sum(math.prod(shape_of(value)) for value in (*block.inputs, *block.outputs))
            for block in self.blocks
        )

    def _batches(self, count: int) -> Iterator[slice]:
        return (slice(start, start + self.settings.batch) for start in range(0, count, self.settings.batch))

    def _batched(self, graph: TorchGraph, block: Block, known: Values) -> Values:
        """The outputs of a block for all samples, on the CPU. Always in the same batches: same bits."""
        found: dict[ir.Value, list[Tensor]] = {value: [] for value in block.outputs}
        with torch.no_grad():
            for rows in self._batches(_count(known)):
                inputs = {value: known[value][rows].to(self.device) for value in block.inputs}
                for value, result in graph.run(inputs, block.nodes, block.outputs).items():
                    found[value].append(result.cpu())
        return {value: torch.cat(parts) for value, parts in found.items()}

    def _importance(self) -> dict[ir.Value, Tensor]:
        """Block output -> weight of each channel, 1 on average, of a shape that broadcasts."""
        values = list(dict.fromkeys(value for block in self.blocks for value in block.outputs))
        outputs = self.real.model.graph.outputs
        total: dict[ir.Value, Tensor] = {}
        generator = torch.Generator().manual_seed(self.settings.seed)
        for rows in list(self._batches(_count(self.samples)))[:2]:
            inputs = {v: x[rows].to(self.device).requires_grad_() for v, x in self.samples.items()}
            found = self.real.run(inputs, self.real.nodes, chain(values, outputs))
            loss = torch.zeros((), device=self.device)
            for output in outputs:
                signs = torch.randint(0, 2, found[output].shape, generator=generator) * 2.0 - 1.0
                spread = found[output].detach().std().clamp_min(1e-12)
                loss = loss + (found[output] * signs.to(self.device)).sum() / spread
            inner = [value for value in values if found[value].requires_grad]
            gradients = torch.autograd.grad(loss, [found[value] for value in inner], allow_unused=True)
            for value, gradient in zip(inner, gradients, strict=True):
                if gradient is not None:
                    others = [axis for axis in range(gradient.ndim) if axis != 1]
                    weight = gradient.square().mean(others, keepdim=True)[0]
                    total[value] = total.get(value, torch.zeros_like(weight)) + weight
        return {value: weight / weight.mean().clamp_min(1e-30) for value, weight in total.items()}

    # One block

    def _scales(self, block: Block) -> list[ActivationScale]:
        """The scales that a block's values carry, those of the graph's inputs among them."""
        values = chain(block.inputs, *(node.outputs for node in block.nodes))
        found = (self.graph.scale_of(value) for value in values)
        return list(dict.fromkeys(scale for scale in found if scale is not None))

    def _linears(self, nodes: Iterable[ir.Node]) -> list[LinearConstants]:
        """The weights and biases that nodes quantize."""
        found = map(self.graph.linear, nodes)
        return [linear for linear in found if linear is not None and linear.quantized]

    def _learn_block(
        self,
        block: Block,
        index: int,
        scales: Sequence[ActivationScale],
        quantized: Values,
        real: Values,
        target: Values,
    ) -> str:
        settings = self.settings
        generator = self._generator(index)
        before = self._error(block, quantized, target)
        linears = self._linears(block.nodes)
        roundings = []
        for linear in linears:
            linear.soft_rounding = rounding = SoftRounding(linear.steps())
            roundings.append(rounding)
        rates = [
            {"params": [rounding.logits for rounding in roundings], "lr": settings.rounding_rate},
            *self._rates(linears, scales),
        ]
        weights = sum(rounding.logits.numel() for rounding in roundings)

        def loss_of(step: int) -> Tensor:
            rows = torch.randint(0, _count(quantized), (settings.batch,), generator=generator)
            inputs = {v: quantized[v][rows].to(self.device) for v in block.inputs}
            for v in block.inputs:
                if not v.is_graph_input():
                    inputs[v] = self._mixed(real[v][rows].to(self.device), inputs[v], generator)
            found = self.graph.run(inputs, block.nodes, block.outputs)
            distance = _total(self._distance(v, found[v], target[v][rows]) for v in block.outputs)
            loss = distance / max(before, 1e-30)
            share = (step / settings.iterations - 0.2) / 0.8
            if share > 0 and weights:
                beta = 2 + 9 * (1 + math.cos(math.pi * share))
                undecided = _total(rounding.regularizer(beta) for rounding in roundings)
                loss = loss + settings.regularizer / weights * undecided
            return loss

        self.graph.mix = lambda x, rounded: self._mixed(x, rounded, generator)
        Descent(rates, settings.iterations, scales).run(loss_of)
        self.graph.mix = None
        for linear, rounding in zip(linears, roundings, strict=True):
            linear.soft_rounding = None
            linear.set_integers(rounding.decided())
        after = self._error(block, quantized, target)
        name = block.outputs[0].name
        return f"{name}: error {before:.3g} before, {after:.3g} after {settings.iterations} iterations"

    def _rates(
        self, linears: Iterable[LinearConstants], scales: Iterable[ActivationScale]
    ) -> list[dict[str, Any]]:
        """Parameter groups for biases and scales."""
        rates = [{"params": [s.log_factor for s in scales if s.learned], "lr": self.settings.scale_rate}]
        for linear in linears:
            if linear.bias is not None:
                size = float(linear.bias.detach().abs().mean())
                rates.append({"params": [linear.bias], "lr": self.settings.bias_rate * max(size, 1e-6)})
        return [rate for rate in rates if rate["params"]]

    def _mixed(self, x: Tensor, rounded: Tensor, generator: torch.Generator) -> Tensor:
        """Channels of samples left unrounded at random."""
        shape = [*x.shape[:2], *[1] * (x.ndim - 2)]
        dropped = torch.rand(shape, generator=generator) < self.settings.drop
        return torch.where(dropped.to(x.device), x, rounded)

    def _distance(self, value: ir.Value, found: Tensor, wanted: Tensor) -> Tensor:
        squared = (found - wanted.to(self.device)).square()
        weight = self.importance.get(value)
        return squared.mean() if weight is None else (squared * weight).mean()

    def _error(self, block: Block, quantized: Values, target: Values) -> float:
        found = self._batched(self.graph, block, quantized)
        return sum(float(self._distance(v, found[v].to(self.device), target[v])) for v in block.outputs)

    # The whole network

    def _tune(self, tuning: dict[str, Any] | None, on_step: Advance) -> Iterator[dict[str, Any]]:
        """Learn weights, scales and biases of the whole network on varied samples, a few steps at a time.

        Args:
            tuning: State in which an earlier run was interrupted.
            on_step: Called after each few steps, those of the earlier run among them.

        Yields:
            After each few steps, where it is.
        """
        settings = self.settings
        inputs = self.graph.model.graph.inputs
        scales = self.graph.scales
        linears = self._linears(self.graph.nodes)
        rates = [
            *(rate | {"lr": rate["lr"] / _SLOWER} for rate in self._rates(linears, scales)),
            *(
                {"params": [linear.weights], "lr": settings.weight_rate * float(linear.initial.median())}
                for linear in linears
            ),
        ]

        def loss_of(step: int) -> Tensor:
            generator = self._generator(len(self.blocks) + step)
            rows = torch.randint(0, _count(self.samples), (settings.batch,), generator=generator)
            batch = {v: _varied(self.samples[v][rows], generator) for v in inputs}
            return self._output_distance(batch).mean()

        descent = Descent(rates, settings.tuning, scales)
        if tuning is not None:
            self.graph.load_state_dict(tuning["graph"])
            descent.load(tuning["descent"])
            for _ in range(0, descent.done, _AT_A_TIME):
                on_step()
        while descent.done < settings.tuning:
            descent.run(loss_of, _AT_A_TIME)
            yield {"graph": self.graph.state_dict(), "descent": descent.state()}
            on_step()

    def _generator(self, number: int) -> torch.Generator:
        """One for each block, and one for each step of tuning, so that an interrupted run draws the same."""
        return torch.Generator().manual_seed(self.settings.seed * 1_000_003 + number)

    def _output_distance(self, batch: Values) -> Tensor:
        """Squared error of the outputs over their variance in float: the mean for each sample, summed over
        the outputs."""
        outputs = self.graph.model.graph.outputs
        known = {value: x.to(self.device) for value, x in batch.items()}
        with torch.no_grad():
            wanted = self.real.run(known, self.real.nodes, outputs)
        found = self.graph.run(known, self.graph.nodes, outputs)
        errors = []
        for value in outputs:
            squared = (found[value] - wanted[value]).square().reshape(len(wanted[value]), -1)
            errors.append(squared.mean(1) / wanted[value].var(correction=0).clamp_min(1e-30))
        return torch.stack(errors).sum(0)

    def _output_error(self) -> float:
        """The geometric mean of the same, over the samples that are held out and variations of them.

        One sum over all would be that of the few worst samples; and there are too few samples to tell a
        tenth of it from chance.
        """
        generator = self._generator(0)
        errors = []
        with torch.no_grad():
            for rows in self._batches(_count(self.holdout)):
                batch = {v: x[rows] for v, x in self.holdout.items()}
                errors.append(self._output_distance(batch))
                for _ in range(_VARIATIONS):
                    varied = {v: _varied(x, generator) for v, x in batch.items()}
                    errors.append(self._output_distance(varied))
        return float(torch.cat(errors).clamp_min(1e-30).log().mean().exp())


def _best(candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=operator.itemgetter(1))


def _copied(graph: TorchGraph) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in graph.state_dict().items()}


def _total(terms: Iterable[Tensor]) -> Tensor:
    return functools.reduce(operator.add, terms)


def _varied(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Images mirrored, shifted and mixed with each other at random: the float network says what each becomes,
    so that more inputs than there are samples can be learned from."""
    if batch.ndim != 4:
        return batch
    mirrored = torch.rand(len(batch), 1, 1, 1, generator=generator) < 0.5
    batch = torch.where(mirrored, batch.flip(3), batch)
    height, width = batch.shape[2:]
    most = min(height, width) // 12
    down, right = (int(n) for n in torch.randint(0, 2 * most + 1, (2,), generator=generator))
    wider = functional.pad(batch, (most,) * 4, mode="reflect")
    batch = wider[:, :, down : down + height, right : right + width]
    share = torch.rand(len(batch), 1, 1, 1, generator=generator)
    return batch * share + batch.roll(1, 0) * (1 - share)


def _count(values: Mapping[ir.Value, Tensor]) -> int:
    return len(next(iter(values.values())))
