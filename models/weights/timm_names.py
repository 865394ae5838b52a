"""Weights files with the names of timm (pytorch-image-models), read into networks that have other names.

timm names the layers of all these networks by what they are for:

    conv_stem, bn1                      stem
    blocks.S.B.conv_pw, bn1             expansion of block B in stage S, both counted from 0
    blocks.S.B.conv_dw, bn2             depthwise convolution
    blocks.S.B.se.conv_reduce           squeeze-excite, the layer to fewer channels
    blocks.S.B.se.conv_expand           and back
    blocks.S.B.conv_pwl, bn3            projection
    conv_head, bn2                      last convolution
    classifier                          linear layer

A block without expansion has conv_dw, bn1 and, for the projection, conv_pw, bn2. The shares of a MixConv have
their number after the name. MobileNetV3 has its last convolution as conv and bn1 of a stage of its own, and
conv_head is the first of its two linear layers, as a 1x1 convolution (out, in, 1, 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from mobiledeploy.models.blocks import Classifier, MixConv, SqueezeExcite

__all__ = ["HEAD_KEY", "from_timm", "has_timm_names", "timm_names"]

HEAD_KEY = "classifier.weight"

Named = Iterator[tuple[str, nn.Module]]


def has_timm_names(state: Mapping[str, Tensor]) -> bool:
    """Whether a state_dict has timm's keys."""
    return "conv_stem.weight" in state


def from_timm(network: Classifier, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict of timm's with the network's keys; keys that are not timm's are kept."""
    ours = {theirs: own for own, theirs in timm_names(network).items()}
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    renamed = {ours.get(key, key): value for key, value in state.items()}
    for key, value in renamed.items():
        if value.ndim == 4 and value.shape[2:] == (1, 1) and len(shapes.get(key, ())) == 2:
            renamed[key] = value.flatten(1)  # conv_head
    return renamed


def timm_names(network: Classifier) -> dict[str, str]:
    """timm's key for each key of the network's state_dict."""
    paths = {module: path for path, module in network.named_modules()}
    return {
        f"{paths[layer]}.{entry}": f"{name}.{entry}"
        for name, layer in _layers(network)
        for entry in layer.state_dict()
    }


def _layers(network: Classifier) -> Named:
    """Every layer with weights, by timm's name."""
    stages = network.stages()
    inner = {layer for stage in stages for block in stage for layer in _with_weights(block)}
    stem, stem_norm, *last = [layer for layer in _with_weights(network.features) if layer not in inner]
    linear = list(_with_weights(network.classifier))

    yield from zip(("conv_stem", "bn1"), (stem, stem_norm), strict=True)
    for s, stage in enumerate(stages):
        for b, block in enumerate(stage):
            yield from _under(f"blocks.{s}.{b}", _block_layers(block))
    if len(linear) == 2:
        yield from _under(f"blocks.{len(stages)}.0", zip(("conv", "bn1"), last, strict=True))
        yield "conv_head", linear[0]
    elif last:
        yield from zip(("conv_head", "bn2"), last, strict=True)
    yield "classifier", linear[-1]


def _block_layers(block: nn.Module) -> Named:
    """Layers of an inverted residual, or of a depthwise and a pointwise convolution."""
    layers = list(_with_weights(block))
    convolutions = [layer for layer in layers if not isinstance(layer, nn.BatchNorm2d | SqueezeExcite)]
    names = ("conv_dw", "conv_pw") if len(convolutions) == 2 else ("conv_pw", "conv_dw", "conv_pwl")
    yield from zip(names, convolutions, strict=True)
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    yield from ((f"bn{number}", norm) for number, norm in enumerate(norms, 1))
    for layer in layers:
        if isinstance(layer, SqueezeExcite):
            yield from _under("se", iter((("conv_reduce", layer.fc1), ("conv_expand", layer.fc2))))


def _with_weights(module: nn.Module) -> Iterator[nn.Module]:
    """Convolutions, batch norms, linear layers and gates, in order."""
    if isinstance(module, nn.Conv2d | MixConv | nn.BatchNorm2d | nn.Linear | SqueezeExcite):
        yield module
    else:
        for child in module.children():
            yield from _with_weights(child)


def _under(prefix: str, named: Named) -> Named:
    return ((f"{prefix}.{name}", layer) for name, layer in named)
