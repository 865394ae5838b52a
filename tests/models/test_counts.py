from __future__ import annotations

import torch
from torch import nn

from mobiledeploy.models.counts import count_multiply_adds, count_parameters


def test_counts_of_a_network_small_enough_to_count_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 6 * 5, 2),
    )
    assert count_parameters(network) == 4 * 3 * 9 + 2 * 4 + 2 * 120 + 2
    assert count_multiply_adds(network, (1, 3, 6, 5)) == 6 * 5 * 4 * 3 * 9 + 2 * 120


def test_a_depthwise_convolution_counts_its_own_channel_only() -> None:
    assert count_multiply_adds(nn.Conv2d(8, 8, 3, groups=8, bias=False), (1, 8, 4, 4)) == 2 * 2 * 8 * 9


def test_counting_changes_neither_statistics_nor_modes() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Dropout())
    network[2].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count_multiply_adds(network, (1, 1, 2, 2))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert [module.training for module in network] == [True, True, False]
