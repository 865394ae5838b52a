"""Images with the statistics of photographs, drawn from a seed: what calibration falls back on without data.

Uniform noise drives a network to ranges that no photograph does. What matters is that neighbouring pixels and
the three colours go together and that there are edges. So an image here is a heap of opaque shapes of many
sizes ("dead leaves": Lee, Mumford and Huang 2001, "Occlusion models for natural images"), each with a colour
and with a texture whose amplitude spectrum falls as 1/f (Field 1987, "Relations between the statistics of
natural images and the response properties of cortical cells"). The constants are set so that mean, contrast,
spectrum, edge strength and colour correlation come out as on 125 photographs of ImageNet classes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["generated_image"]

_LEAVES = 100
_LEAF_RADII = (0.02, 1.0)  # of the shorter side
_COLOUR_CAST = (-0.1, -0.25, -0.5)  # photographs are warm: RGB, before the response curve

# Photographs vary along (light, red against blue, green against the rest), mostly along the first (Ruderman,
# Cronin and Chiao 1998, "Statistics of cone responses to natural images"). Rows: RGB of one step along each.
_COLOUR_AXES = np.array([[0.58, 0.58, 0.58], [0.18, 0.0, -0.18], [0.04, -0.08, 0.04]])


def generated_image(index: int, size: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Draw image number `index` of the sequence that `seed` starts, (height, width, 3), RGB."""
    rng = np.random.default_rng([seed, index])
    leaf = _leaf_map(size, rng)
    # One row for each leaf and one for the ground they lie on: its colour, and the colour of its texture.
    colours = rng.normal(0.0, 2.0, (_LEAVES + 1, 3)) @ _COLOUR_AXES
    grains = rng.normal(0.0, (1.2, 0.6, 0.6), (_LEAVES + 1, 3)) @ _COLOUR_AXES
    contrast = rng.uniform(0.6, 1.4)
    exposure = rng.normal(0.0, 0.35) + rng.normal(_COLOUR_CAST, 0.25)

    colour = (contrast * colours + exposure).astype(np.float32).take(leaf, axis=0)  # (height, width, 3)
    grain = (contrast * grains).astype(np.float32).take(leaf, axis=0)  # (height, width, 3)
    light = _soften(colour + grain * _texture(size, rng)[:, :, None])
    # The S-shaped response of film: very bright and very dark parts keep their detail.
    return np.rint(255.0 / (1.0 + np.exp(-light))).astype(np.uint8)


def _leaf_map(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return (height, width) numbers of the leaf, an ellipse or box, on top of each pixel; 0: the ground."""
    height, width = size
    leaf = np.zeros(size, np.intp)
    radii = _power_law(_LEAVES, *_LEAF_RADII, rng) * min(size)
    # Large ones go below: thrown in random order, they would hide nearly all of the small ones.
    for number, radius in enumerate(np.sort(radii)[::-1], start=1):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        top, left = max(0, int(y - radius)), max(0, int(x - radius))
        window = leaf[top : int(y + radius) + 1, left : int(x + radius) + 1]
        down = (np.arange(top, top + window.shape[0], dtype=np.float32) - y)[:, None]
        across = np.arange(left, left + window.shape[1], dtype=np.float32) - x
        angle, flatness = rng.uniform(0, math.pi), rng.uniform(1.0, 3.0)
        along = math.cos(angle) * across + math.sin(angle) * down
        beside = flatness * math.cos(angle) * down - flatness * math.sin(angle) * across
        if rng.random() < 0.5:
            inside = along**2 + beside**2 <= radius**2
        else:
            inside = np.maximum(np.abs(along), np.abs(beside)) <= radius * 0.7
        window[inside] = number
    return leaf


def _power_law(count: int, low: float, high: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw `count` radii between `low` and `high` of density r^-2."""
    return 1.0 / rng.uniform(1.0 / high, 1.0 / low, count)


def _texture(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw (height, width) noise of mean 0 and standard deviation 1 whose amplitude spectrum falls as 1/f."""
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf  # no mean
    real, imaginary = rng.standard_normal((2, *frequency.shape), np.float32)
    spectrum = (real + 1j * imaginary) / frequency.astype(np.float32)
    noise: NDArray[np.float32] = np.fft.irfft2(spectrum, s=size).astype(np.float32)
    noise /= max(float(noise.std()), 1e-12)
    return noise


def _soften(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur (height, width, 3) by 1-6-1 both ways, the border repeated: no lens draws perfect edges."""
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = (padded[:-2] + np.float32(6.0) * padded[1:-1] + padded[2:]) / np.float32(8.0)
    softened: NDArray[np.float32] = (rows[:, :-2] + 6.0 * rows[:, 1:-1] + rows[:, 2:]) / np.float32(8.0)
    return softened
