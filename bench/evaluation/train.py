"""A short recipe for trained weights to measure quantization on. It is no training framework.

    python -m mobiledeploy.bench.evaluation train mobilenetv2 --option width_mult=0.5 \\
        --data train.zip --validation val.zip --out mobilenetv2_0.5.pt

SGD with Nesterov momentum, one cycle of the learning rate, label smoothing, flips and shifted crops; most
epochs on smaller images (progressive resizing), the last third at the full size. The weights are written
as a state_dict in the layout that ``mobiledeploy export --weights`` reads, after every epoch.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobiledeploy.base.errors import InputError
from mobiledeploy.bench.evaluation.arguments import add_images, add_seed, at_least, number, option
from mobiledeploy.bench.evaluation.images import (
    AS_THEY_ARE,
    ImageClasses,
    read_image_classes,
    require_same_classes,
)
from mobiledeploy.models.registry import create

__all__ = ["Recipe", "accuracy", "add_options", "run", "train"]

_SHIFT = 1 / 8  # of the side, as the usual 4 of 32 pixels
_SMALL_SHARE = 0.65  # of the epochs run on smaller images


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Attributes:
        size: Side of the network's input in pixels.
        small_size: Side for the first two thirds of the epochs.
        learning_rate: Its peak, for a batch of 128.
    """

    epochs: int = 10
    size: int = 96
    small_size: int = 64
    batch: int = 128
    learning_rate: float = 0.2
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    seed: int = 0


SETTINGS = [field for field in fields(Recipe) if field.name != "seed"]


def train(
    name: str,
    options: Mapping[str, float | str],
    data: ImageClasses,
    validation: ImageClasses,
    recipe: Recipe,
    out: Path,
) -> float:
    """Train from initial weights on the GPU if there is one, and write the state_dict to ``out``.

    Returns:
        Top-1 accuracy on the validation images, a share in [0, 1].

    Raises:
        InputError: The network is unknown, the two sets differ in their classes, or there are fewer images
            than a batch takes.
    """
    require_same_classes(data, validation)
    if len(data) < recipe.batch:
        raise InputError(
            f"{len(data)} training images, expected at least the {recipe.batch} of a batch; pass a smaller "
            "--batch"
        )
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = create(name, {"num_classes": len(data.names), **options})
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    optimizer = torch.optim.SGD(_groups(network, recipe.weight_decay), lr=0.1, momentum=0.9, nesterov=True)
    steps = len(data) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate * recipe.batch / 128,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        pct_start=0.25,
    )
    generator = torch.Generator().manual_seed(recipe.seed)
    for epoch in range(recipe.epochs):
        started, total = time.monotonic(), 0.0
        small = min(recipe.small_size, recipe.size)
        size = small if epoch < recipe.epochs * _SMALL_SHARE else recipe.size
        network.train()
        for images, labels in _batches(data, recipe.batch, size, generator):
            logits = network(images.to(device))
            loss = functional.cross_entropy(logits, labels.to(device), label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item()
        _save(network, out)
        top1 = accuracy(network, validation, recipe.size)
        print(
            f"{name} epoch {epoch + 1}/{recipe.epochs} at {size} pixels: loss {total / steps:.3f}, "
            f"validation top-1 {100 * top1:.2f} %, {time.monotonic() - started:.0f} s",
            flush=True,
        )
    return top1


def accuracy(network: nn.Module, images: ImageClasses, size: int) -> float:
    """Top-1, a share in [0, 1], of a network in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), 128):
            chosen = slice(start, start + 128)
            batch = _resized(torch.from_numpy(images.pixels[chosen]), size)
            found = network(batch.to(device)).argmax(1).cpu()
            right += int((found == torch.from_numpy(images.labels[chosen])).sum())
    return right / len(images)


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights of linear ops decay; biases and batch norms do not."""
    decaying = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _batches(
    data: ImageClasses, batch: int, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every image once, in random order but for an incomplete last batch, flipped and shifted at random."""
    order = torch.randperm(len(data), generator=generator).numpy()
    side = data.pixels.shape[1]
    margin = round(side * _SHIFT)
    for start in range(0, len(data) - batch + 1, batch):
        chosen = np.sort(order[start : start + batch])
        pixels = torch.from_numpy(data.pixels[chosen])
        padded = functional.pad(pixels.permute(0, 3, 1, 2), (margin,) * 4).permute(0, 2, 3, 1)
        tops, lefts = torch.randint(0, 2 * margin + 1, (2, batch), generator=generator).tolist()
        crops = torch.stack(
            [
                image[top : top + side, left : left + side]
                for image, top, left in zip(padded, tops, lefts, strict=True)
            ]
        )
        flipped = torch.rand(batch, generator=generator) < 0.5
        crops[flipped] = crops[flipped].flip(2)
        yield _resized(crops, size), torch.from_numpy(data.labels[chosen])


def _resized(pixels: Tensor, size: int) -> Tensor:
    """uint8 (N, side, side, 3) to float (N, 3, size, size), channels last, with ImageNet's mean and std."""
    images = pixels.permute(0, 3, 1, 2).float() / 255.0
    if images.shape[2] != size:
        images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(value).reshape(1, 3, 1, 1) for value in (AS_THEY_ARE.mean, AS_THEY_ARE.std))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def _save(network: nn.Module, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(out.name + ".part")
    torch.save({key: value.cpu().contiguous() for key, value in network.state_dict().items()}, aside)
    os.replace(aside, out)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add = parser.add_argument
    add("network", metavar="NETWORK", help="a name of `mobiledeploy list`")
    add_images(parser)
    add("--out", type=Path, required=True, metavar="FILE.pt", help="where the state_dict goes")
    add("--option", type=option, action="append", default=[], metavar="NAME=VALUE", help="of the network")
    for setting in SETTINGS:
        kind = at_least(1) if isinstance(setting.default, int) else number
        flag = f"--{setting.name.replace('_', '-')}"
        add(flag, type=kind, default=setting.default, metavar="N", help="default: %(default)s")
    add_seed(parser)


def run(args: argparse.Namespace) -> int:
    """Read the images and train."""
    recipe = Recipe(seed=args.seed, **{setting.name: getattr(args, setting.name) for setting in SETTINGS})
    data, validation = (read_image_classes(path, recipe.size) for path in (args.data, args.validation))
    train(args.network, dict(args.option), data, validation, recipe, args.out)
    return 0
