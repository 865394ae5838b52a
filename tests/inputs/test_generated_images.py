"""Generated images: the same from the same seed, and with the statistics of photographs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from mobiledeploy.inputs.generated_images import generated_image

SIZE = (96, 96)


@pytest.fixture(scope="module")
def images() -> NDArray[np.float64]:
    """(32, height, width, 3) in [0, 1]."""
    return np.stack([generated_image(number, SIZE, seed=0) for number in range(32)]) / 255.0


def power_spectrum_slope(grey: NDArray[np.float64]) -> float:
    """Slope of log power over log frequency of (height, width), windowed so that the borders add no edge."""
    window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1]))
    edges = np.geomspace(4 / grey.shape[0], 0.4, 10)
    bins = [(frequency >= low) & (frequency < high) for low, high in pairwise(edges)]
    points = np.log([(frequency[inside].mean(), power[inside].mean()) for inside in bins])
    return float(np.polyfit(points[:, 0], points[:, 1], 1)[0])


def test_same_seed_same_images() -> None:
    first, again = (generated_image(2, SIZE, seed=5) for _ in range(2))
    assert np.array_equal(first, again)


def test_images_differ_by_number_and_seed() -> None:
    image = generated_image(0, SIZE, seed=0)
    assert not np.array_equal(image, generated_image(1, SIZE, seed=0))
    assert not np.array_equal(image, generated_image(0, SIZE, seed=1))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 64), (64, 17)])
def test_any_size(size: tuple[int, int]) -> None:
    image = generated_image(0, size, seed=0)
    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8


def test_spectrum_falls_as_that_of_photographs(images: NDArray[np.float64]) -> None:
    slopes = [power_spectrum_slope(image.mean(axis=2)) for image in images]
    assert -3.0 < np.median(slopes) < -2.0  # -2.5 on photographs, 0 on noise


def test_colours_go_together(images: NDArray[np.float64]) -> None:
    correlations = [np.corrcoef(image.reshape(-1, 3).T)[[0, 1, 0], [1, 2, 2]].mean() for image in images]
    assert 0.85 < np.median(correlations) < 0.99  # 0.94 on photographs, 0 on noise


def test_flat_parts_and_edges(images: NDArray[np.float64]) -> None:
    steps = np.diff(images.mean(axis=3), axis=2)
    kurtosis = np.mean(steps**4) / np.mean(steps**2) ** 2
    assert kurtosis > 8  # 16 on photographs, 3 on Gaussian noise of any spectrum


def test_brightness_and_contrast_as_of_imagenet(images: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)), [0.485, 0.456, 0.406], atol=0.06)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)), [0.229, 0.224, 0.225], atol=0.06)
    assert images.mean(axis=(1, 2, 3)).std() > 0.05  # some are dark and some are bright
    assert images.min() < 0.02 and images.max() > 0.98
