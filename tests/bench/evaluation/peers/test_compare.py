from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mobiledeploy.bench.evaluation.peers.compare import RATIOS, compare, table
from mobiledeploy.bench.latency.settings import Settings

Image = NDArray[np.float32]
QUICK = Settings(min_launches=2, rounds=3, precision=10.0, warm_up_s=0.0, cool_down_s=0.0)


def images(count: int) -> list[Image]:
    rng = np.random.default_rng(2)
    return [rng.uniform(-1, 1, (1, 3, 4, 4)).astype(np.float32) for _ in range(count)]


def test_compare_sets_outputs_beside_the_network(
    linear_files: dict[str, Path], linear_weight: NDArray[np.int8]
) -> None:
    def network(image: Image) -> Image:
        product: Image = image.transpose(0, 2, 3, 1).reshape(1, -1) @ (linear_weight.T * np.float32(0.01))
        return product

    files = {f"{whose} {kind}": path for whose in ("ours", "theirs") for kind, path in linear_files.items()}
    labelled = [(image, int(network(image).argmax())) for image in images(8)]
    found = compare(files, network, labelled, QUICK)

    assert set(found.ratios) == {f"{above} / {below}" for above, below in RATIOS}
    ours, theirs = found.rows["ours int8"], found.rows["theirs int8"]
    assert ours.to_pytorch == theirs.to_pytorch  # it is the same file
    assert 20 < ours.to_pytorch.sqnr_db < 60 < found.rows["ours fp32"].to_pytorch.sqnr_db
    assert ours.to_own_fp32.sqnr_db > 20
    assert found.pytorch_top1 == 1.0 and found.rows["ours fp32"].top1 == 1.0
    assert ours.partitions == 1 and ours.latency.count == 2 * 3 * 5

    text = table(found)
    assert "theirs int8" in text and "ours int8 / theirs int8" in text
    assert "8 evaluation inputs" in text and "top-1 is 100.00 %" in text


def test_without_labels_there_is_no_accuracy(linear_files: dict[str, Path]) -> None:
    files = {f"{whose} {kind}": path for whose in ("ours", "theirs") for kind, path in linear_files.items()}
    unlabelled = [(image, None) for image in images(2)]
    found = compare(files, lambda image: np.ones((1, 5), np.float32), unlabelled, QUICK)
    assert found.pytorch_top1 is None and found.rows["ours int8"].top1 is None
    assert "whose top-1" not in table(found)
