"""The registry finds lowerings by op and reads what they support from their signatures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from mobiledeploy.exporters.tflite.builder import Builder
from mobiledeploy.exporters.tflite.graph import Tensor
from mobiledeploy.exporters.tflite.lowerings import lowering_for, registry, supported_ops
from mobiledeploy.exporters.tflite.lowerings.registry import (
    accepted_attributes,
    has_int8_form,
    has_integer_form,
    lowers,
)
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.runtime.runtimes import OnnxSession, TfliteSession
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text, random_sample


def test_every_supported_op_has_a_lowering() -> None:
    assert "Conv" in supported_ops()
    assert all(lowering_for(op) for op in supported_ops())


def test_attributes_are_the_keywords_of_the_signature() -> None:
    lowering = lowering_for("LeakyRelu")
    assert lowering is not None and accepted_attributes(lowering) == {"alpha"}


def test_two_lowerings_of_one_op_are_an_error() -> None:
    owners = r"Conv is lowered by \S+lowerings\.conv\.conv already; pass replace=True if \S+\.own is"
    with pytest.raises(ValueError, match=owners):
        lowers("Conv")(own)


def own(b: Builder, x: Tensor) -> Tensor:
    return x


@pytest.fixture
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_LOWERINGS", dict(registry._LOWERINGS))
    monkeypatch.setattr(registry, "_KERNELS", dict(registry._KERNELS))


@pytest.mark.usefixtures("_own_registry")
def test_a_users_lowering(tmp_path: Path) -> None:
    @lowers("Gelu", int8=False)
    def gelu(b: Builder, x: Tensor, *, approximate: str = "none") -> Tensor:
        return b.op("GELU", x, approximate=approximate == "tanh")

    model = model_from_text("g (float[1, 3, 4, 4] x) => (float[1, 3, 4, 4] y) { y = Gelu(x) }")
    sample, path = random_sample(model), tmp_path / "gelu.tflite"
    path.write_bytes(write_tflite(lower(model, LITERT_2_3), "test"))
    wanted = OnnxSession(model).run(sample)["y"]
    assert np.allclose(TfliteSession(path).run(sample)["y"], wanted, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("_own_registry")
def test_a_lowering_that_takes_the_place_of_another() -> None:
    node, int16 = ir.Node("", "HardSwish", []), np.dtype(np.int16)
    assert (has_int8_form(node), has_integer_form(node, int16)) == (True, False)
    assert lowers("HardSwish", replace=True)(own) is own
    assert lowering_for("HardSwish") is own
    assert (has_int8_form(node), has_integer_form(node, int16)) == (True, True)
    lowers("HardSwish", int8=False, replace=True)(own)
    assert (has_int8_form(node), has_integer_form(node, int16)) == (False, False)
