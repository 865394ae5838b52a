"""The registry finds lowerings by op and reads what they support from their signatures."""

from __future__ import annotations

import pytest

from mobiledeploy.exporters.tflite.lowerings import lowering_for, supported_ops
from mobiledeploy.exporters.tflite.lowerings.registry import accepted_attributes, lowers


def test_every_supported_op_has_a_lowering() -> None:
    assert "Conv" in supported_ops()
    assert all(lowering_for(op) for op in supported_ops())


def test_attributes_are_the_keywords_of_the_signature() -> None:
    lowering = lowering_for("LeakyRelu")
    assert lowering is not None and accepted_attributes(lowering) == {"alpha"}


def test_two_lowerings_of_one_op_are_an_error() -> None:
    with pytest.raises(ValueError, match="Conv is lowered by conv already"):
        lowers("Conv")(lambda b, x: x)
