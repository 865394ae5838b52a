"""Export of modules: the numbers, the names, and what a module that cannot be traced tells the user."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mobiledeploy.base.errors import UnsupportedModelError
from mobiledeploy.exporters.torch_to_onnx import torch_to_onnx
from mobiledeploy.graph.onnx_graph import shape_of, static_inputs
from mobiledeploy.runtime.runtimes import OnnxSession
from mobiledeploy.testing import op_types, random_sample


class TwoHeads(nn.Module):
    """Two inputs, two outputs, a module used twice, and names that are those of inputs and outputs, too."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU6())
        self.shared = nn.Conv2d(4, 4, 1)
        self.output_1 = nn.Conv2d(4, 2, 1)
        self.dropout = nn.Dropout()

    def forward(self, image: Tensor, other: Tensor) -> dict[str, Tensor]:
        x = self.image(image)
        x = self.dropout(self.shared(self.shared(x)))
        return {"map": torch.sigmoid(self.output_1(x) + other), "mean": x.mean((2, 3))}


def test_numbers_names_and_shapes() -> None:
    torch.manual_seed(0)
    module = TwoHeads().train()
    model = torch_to_onnx(module, {"image": (1, 3, 6, 6), "other": (1, 2, 6, 6)})
    assert not module.training
    assert static_inputs(model) == {"image": (1, 3, 6, 6), "other": (1, 2, 6, 6)}
    assert [value.name for value in model.graph.outputs] == ["output_0", "output_1"]
    assert op_types(model) == ["Conv", "Clip", "Conv", "Conv", "Conv", "Add", "Sigmoid", "ReduceMean"]

    names = [node.outputs[0].name or "" for node in model.graph]
    assert len({*names, "image", "other"}) == len(names) + 2
    assert {"image.2", "shared", "shared:1", "output_1:1", "output_0", "output_1"} <= set(names)
    assert {"image.0.weight", "shared.weight", "output_1.bias"} <= set(model.graph.initializers)
    assert all(shape_of(value) for node in model.graph for value in node.outputs)

    sample = random_sample(model)
    with torch.no_grad():
        wanted = module(*(torch.from_numpy(array) for array in sample.values()))
    found = OnnxSession(model).run(sample)
    for name, want in zip(found, wanted.values(), strict=True):
        assert np.allclose(found[name], want.numpy(), rtol=0, atol=1e-5)


class Undecided(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("expected 4 channels\nbut got 3")


def test_control_flow_that_depends_on_data() -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"Undecided cannot be exported to ONNX: .*traceable"
    ) as caught:
        torch_to_onnx(Undecided(), {"image": (1, 3, 4, 4)})
    assert "\n" not in str(caught.value)


def test_forward_that_fails() -> None:
    with pytest.raises(UnsupportedModelError, match=r"Broken cannot .*: expected 4 channels; "):
        torch_to_onnx(Broken(), {"image": (1, 3, 4, 4)})
