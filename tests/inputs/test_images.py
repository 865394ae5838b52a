"""Images: every kind of pixels, and preprocessing pixel for pixel."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mobiledeploy.inputs.images import preprocess, read_image
from mobiledeploy.inputs.preprocessing import Preprocessing


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


KINDS = [("JPEG", mode) for mode in ("L", "RGB", "CMYK")]
KINDS += [("PNG", mode) for mode in ("L", "LA", "P", "P with transparency", "RGB", "RGBA", "I;16")]


@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_any_kind_of_pixels_becomes_rgb_or_grey(kind: str, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 6), 153 * 256 + 200, np.uint16))
    else:
        image = Image.new("RGB", (6, 4), (153,) * 3).convert(mode.split()[0])  # 153: in Pillow's palette
    options = {"transparency": bytes(range(256))} if "transparency" in mode else {}
    content = encoded(image, kind, **options)
    assert Image.open(BytesIO(content)).mode == mode.split()[0]
    for wanted in ("RGB", "L"):
        decoded = read_image(content, wanted)
        assert (decoded.mode, decoded.size) == (wanted, (6, 4))
        np.testing.assert_allclose(np.asarray(decoded), 153, atol=4)


def test_exif_orientation_is_applied() -> None:
    picture = Image.new("RGB", (16, 8))
    picture.paste((255, 255, 255), (0, 0, 8, 8))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to the right
    upright = read_image(encoded(picture, "JPEG", exif=exif))
    assert upright.size == (8, 16)
    assert np.asarray(upright)[:6].min() > 200 > 50 > np.asarray(upright)[10:].max()  # white on top


def test_preprocessing_by_hand() -> None:
    ramp = np.repeat(np.arange(16, dtype=np.uint8)[None, :, None] * 16, 8, axis=0).repeat(
        3, axis=2
    )  # (8, 16, 3)
    whole = Preprocessing(8, "bilinear", (0.5, 0.25, 0.0), (0.5, 1.0, 2.0))
    value = preprocess(Image.fromarray(ramp), (4, 4), whole)  # no resize: the middle 4 columns
    columns = np.array([6, 7, 8, 9], np.float32) * 16 / 255
    for channel, (mean, std) in enumerate(zip(whole.mean, whole.std, strict=True)):
        np.testing.assert_allclose(value[0, channel], np.tile((columns - mean) / std, (4, 1)), rtol=1e-5)
    assert value.flags.c_contiguous


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_shorter_side_is_resized_and_the_middle_cropped(interpolation: Any) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 50, 3), np.uint8))
    value = preprocess(noise, (16, 20), Preprocessing(22, interpolation, (0.0,) * 3, (1.0,) * 3))
    resized = noise.resize((33, 22), getattr(Image.Resampling, interpolation.upper()))
    expected = np.asarray(resized)[3:19, 6:26].transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_allclose(value[0], expected, rtol=1e-6)


def test_no_crop_without_resize() -> None:
    wide = Image.new("RGB", (40, 10), (255, 255, 255))
    assert preprocess(wide, (6, 4), None).shape == (1, 3, 6, 4)
    squeezed = preprocess(wide, (6, 4), Preprocessing(None, "bicubic", (0.5,) * 3, (0.5,) * 3))
    np.testing.assert_allclose(squeezed, 1.0)


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1), (7, 9)])
def test_a_crop_larger_than_the_resize_and_strips_are_covered(size: tuple[int, int]) -> None:
    white = Image.new("RGB", size, (255, 255, 255))
    value = preprocess(white, (24, 16), Preprocessing(12, "bilinear", (0.0,) * 3, (1.0,) * 3))
    np.testing.assert_array_equal(value, np.ones((1, 3, 24, 16), np.float32))  # no black border
