"""Networks of the registry with their weights: published ones, a file's, or initial ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from mobiledeploy.base.errors import InputError, WeightsError
from mobiledeploy.base.files import file_sha256
from mobiledeploy.inputs.open_inputs import open_inputs
from mobiledeploy.inputs.preprocessing import Preprocessing
from mobiledeploy.models.counts import count_multiply_adds, count_parameters
from mobiledeploy.models.recalibrate_batch_norm import recalibrate_batch_norm
from mobiledeploy.models.registry import create
from mobiledeploy.models.spec import Conventions, ModelSpec, WeightsEntry
from mobiledeploy.models.weights.download import default_cache, fetch
from mobiledeploy.models.weights.entries import (
    Likeness,
    entry_like,
    in_words,
    named_entry,
    official_entry,
)
from mobiledeploy.models.weights.load import apply_state_dict, head_classes, load_state_dict
from mobiledeploy.sources.module_checks import require_runnable
from mobiledeploy.sources.source import INPUT_NAME, ModelOptions, Source, WeightsRecord, module_sha256

__all__ = ["from_registry"]

_NORM_IMAGES = 16  # generated ones, for the batch norms of initial weights


def from_registry(spec: ModelSpec, options: ModelOptions) -> Source:
    """A network of the registry, ready for export.

    Raises:
        InputError: Options or a weights entry that it does not have, or an input size that it cannot take.
        WeightsError: The weights cannot be had or do not fit.
    """
    size = options.size or spec.input_size
    shape = (1, 3, *size)
    network = _with_weights(spec, options, size)
    require_runnable(spec.name, network.module, shape)
    facts = {
        "paper": spec.paper,
        "parameters": count_parameters(network.module),
        "multiply_adds": count_multiply_adds(network.module, shape),
        "width_mult": 1.0,
    }
    return Source(
        name=spec.name,
        inputs={INPUT_NAME: shape},
        weights=network.weights,
        module=network.module.eval(),
        preprocessing=_scaled(network.blueprint.preprocessing, spec.input_size, size),
        task=spec.task,
        facts=facts | network.blueprint.options,
        warnings=network.warnings,
    )


def _scaled(preprocessing: Preprocessing, own: tuple[int, int], size: tuple[int, int]) -> Preprocessing:
    """The resize in proportion to the input size."""
    if preprocessing.resize is None or size == own:
        return preprocessing
    return replace(preprocessing, resize=round(preprocessing.resize * min(size) / min(own)))


class _Blueprint:
    """What to build for weights that are an entry's, or are taken for it.

    Attributes:
        options: The user's, with the width that the entry is for where the user names none.
    """

    def __init__(
        self, spec: ModelSpec, options: Mapping[str, float | str], entry: WeightsEntry | None
    ) -> None:
        self.spec, self.entry = spec, entry
        self.options = dict(options)
        if entry is not None and spec.width_mult:
            self.options.setdefault("width_mult", entry.width_mult)
        known: ModelSpec | WeightsEntry = entry or spec
        self.preprocessing: Preprocessing = known.preprocessing
        self.conventions: Conventions = known.conventions

    def build(self) -> nn.Module:
        """The network with initial weights."""
        try:
            return create(self.spec.name, self.options, self.conventions)
        except (MemoryError, OverflowError, RuntimeError) as error:  # torch complains with the last
            raise InputError(
                f"{self.spec.name} with {in_words(self.options)} does not fit into memory; "
                "pass smaller numbers"
            ) from error

    def record(self, kind: str, description: str, sha256: str) -> WeightsRecord:
        """For the report."""
        name = None if self.entry is None else self.entry.name
        return WeightsRecord(kind, description, sha256, name, self.conventions)


@dataclass
class _Network:
    """A module of the registry with its weights."""

    blueprint: _Blueprint
    module: nn.Module
    weights: WeightsRecord
    warnings: list[str] = field(default_factory=list)


def _with_weights(spec: ModelSpec, options: ModelOptions, size: tuple[int, int]) -> _Network:
    text, weights_as = options.weights, options.weights_as
    named = text in {entry.name for entry in spec.weights}
    if weights_as is not None:
        named_entry(spec, weights_as)
        if named or text == "imagenet":
            raise InputError(
                f"--weights-as {weights_as} for --weights {text}, expected a file; leave it out, or pass "
                f"--weights {weights_as}"
            )
    if text == "random":
        return _initial(spec, options, size)
    if named or text == "imagenet":
        return _official(spec, options, text if named else None)
    if text is not None:
        return _from_file(spec, Path(text), options)
    try:
        return _official(spec, options, weights_as)
    except WeightsError as error:
        network = _initial(spec, options, size)
        reason = str(error).partition(", expected")[0]
        network.warnings.append(
            f"initial weights (seed {options.seed}), as {reason}: accuracy and SQNR against float say "
            "little, so no threshold is set on them; pass --weights FILE"
        )
        return network


def _official(spec: ModelSpec, options: ModelOptions, name: str | None) -> _Network:
    entry = official_entry(spec, options.for_factory(), name)
    path = fetch(entry, host=options.weights_host, cache=default_cache(), timeout_s=options.weights_timeout_s)
    blueprint = _Blueprint(spec, options.for_factory(), entry)
    module = blueprint.build()
    apply_state_dict(module, load_state_dict(path), entry.name)
    record = blueprint.record("imagenet", f"{entry.name} ({entry.file_name})", file_sha256(path))
    return _Network(blueprint, module, record)


def _from_file(spec: ModelSpec, path: Path, options: ModelOptions) -> _Network:
    if path.name == str(path) and not path.suffix and not path.exists():
        named_entry(spec, path.name)  # raises: neither a file nor named like one
    state, sha256 = load_state_dict(path), file_sha256(path)
    asked, classes = options.for_factory(), head_classes(spec, state)
    if classes is not None and asked.setdefault("num_classes", classes) != classes:
        raise WeightsError(
            f"weights file {path} has a head of {classes} classes, expected {asked['num_classes']} by "
            "--num-classes; leave that out, or pass other weights"
        )
    likeness = (
        entry_like(spec, state, sha256, options.width_mult)
        if options.weights_as is None
        else Likeness(named_entry(spec, options.weights_as))
    )
    blueprint = _Blueprint(spec, asked, likeness.entry)
    module = blueprint.build()
    apply_state_dict(module, state, str(path))
    warnings = [_assumed(path, likeness)] if likeness.rivals else []
    return _Network(blueprint, module, blueprint.record("file", path.name, sha256), warnings)


def _assumed(path: Path, likeness: Likeness) -> str:
    """The warning where a file may be of several entries."""
    assert likeness.entry is not None
    conventions = likeness.entry.conventions
    others = ", ".join(entry.name for entry in likeness.rivals)
    return (
        f"weights file {path.name} is taken to be trained as {likeness.entry.name} (padding "
        f"{conventions.padding}, batch norm eps {conventions.norm_eps:g}); {others}, with the same keys, "
        f"would compute something else: say which it is with --weights-as {likeness.entry.name} or another"
    )


def _initial(spec: ModelSpec, options: ModelOptions, size: tuple[int, int]) -> _Network:
    entry = None if options.weights_as is None else named_entry(spec, options.weights_as)
    blueprint = _Blueprint(spec, options.for_factory(), entry)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        module = blueprint.build()
    preprocessing = _scaled(blueprint.preprocessing, spec.input_size, size)
    images = open_inputs(None, {INPUT_NAME: (1, 3, *size)}, preprocessing, _NORM_IMAGES, options.seed)
    recalibrate_batch_norm(module, [torch.from_numpy(sample[INPUT_NAME]) for sample in images.calibration])
    description = f"initial weights, seed {options.seed}, batch norm recalibrated on generated images"
    return _Network(blueprint, module, blueprint.record("random", description, module_sha256(module)))
