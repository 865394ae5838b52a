from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobiledeploy.base.errors import InputError
from mobiledeploy.exporters.tflite.onnx_to_tflite import lower
from mobiledeploy.exporters.tflite.writer import write_tflite
from mobiledeploy.runtime.runtimes import Outputs, Sample
from mobiledeploy.runtime.targets import LITERT_2_3
from mobiledeploy.testing import model_from_text
from mobiledeploy.verify.thresholds import Limit
from mobiledeploy.verify.verify import check_outputs, compare_layers, verify_files

X = {"x": np.array([[1.0, 2.0, 4.0]], np.float32)}


class Scaled:
    """A network that multiplies by a number, or does something else."""

    def __init__(self, factor: float, outputs: int = 1) -> None:
        self._factor, self._outputs = factor, outputs

    def run(self, sample: Sample) -> Outputs:
        return {f"y{i}": sample["x"] * np.float32(self._factor) for i in range(self._outputs)}


def conv(folder: Path, name: str, factor: float, channels: int = 3) -> Path:
    text = f"""g (float[1, {channels}, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2, {channels}, 1, 1] w>
        {{ inner = Conv(x, w) y = Neg(inner) }}"""
    weights = np.ones((2, channels, 1, 1)) * factor
    path = folder / f"{name}.tflite"
    path.write_bytes(write_tflite(lower(model_from_text(text, w=weights), LITERT_2_3), name))
    return path


def test_a_check_knows_whether_it_passes_and_says_why_not() -> None:
    (check,) = check_outputs(("mine", Scaled(0.9)), ("theirs", Scaled(1)), [X, X], Limit("sqnr_db", 25))
    assert not check.passed
    assert check.difference.samples == 2
    assert check.difference.sqnr_db == pytest.approx(20, abs=0.01)
    assert check.failure() == (
        "output 'y0' of mine differs from theirs: SQNR 20.0 dB, largest error 0.13 of the range; "
        "demanded is SQNR >= 25 dB"
    )
    assert check.to_json()["limit"] == "SQNR >= 25 dB"


def test_networks_of_other_outputs_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="mine has 2 outputs and theirs 1, expected the same"):
        check_outputs(("mine", Scaled(1, outputs=2)), ("theirs", Scaled(1)), [X], None)


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_a_reference_without_numbers_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match="the network in theirs gives NaN or infinity as output 'y0'"):
        check_outputs(("mine", Scaled(1)), ("theirs", Scaled(factor)), [X], None)


def test_a_candidate_without_numbers_fails_its_check() -> None:
    (check,) = check_outputs(("mine", Scaled(np.nan)), ("theirs", Scaled(1)), [X], Limit("sqnr_db", 10))
    assert not check.passed and "SQNR -inf dB" in check.failure()


def test_layers_are_compared_by_name(tmp_path: Path) -> None:
    reference, candidate = conv(tmp_path, "a", 1.0), conv(tmp_path, "b", 0.99)
    sample = {"x": np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)}
    layers = compare_layers(reference, candidate, [sample, sample])
    assert [layer.name for layer in layers] == ["inner", "y"]
    assert all(layer.sqnr_db == pytest.approx(40, abs=0.1) for layer in layers)


def test_two_files_of_one_network(tmp_path: Path) -> None:
    reference, candidate = conv(tmp_path, "a", 1.0), conv(tmp_path, "b", 0.9)
    found = verify_files(candidate, reference, samples=3, limit=Limit("sqnr_db", 10))
    assert not found.failures
    assert found.checks[0].difference.samples == 3
    assert found.warnings == ["compared on generated inputs; for figures on real ones pass --inputs DIR"]
    assert verify_files(candidate, reference, samples=3, limit=Limit("sqnr_db", 30)).failures


def test_inputs_from_a_file_come_without_the_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(5, 3, 4, 4)).astype(np.float32))
    found = verify_files(conv(tmp_path, "a", 1), conv(tmp_path, "b", 1), inputs=tmp_path / "x.npy", samples=4)
    assert found.warnings == []
    assert found.checks[0].difference.samples == 4
    assert found.checks[0].difference.max_abs_error == 0


def test_two_files_of_other_inputs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the same inputs; compare two forms of one network"):
        verify_files(conv(tmp_path, "a", 1.0), conv(tmp_path, "b", 1.0, channels=1))
