"""The alpha channel of an image: kept, counted, and composed by choice."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import FrameMetadata
from cornerstream.images.pixel_target import PixelTarget
from tests.support.pictures import noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = ImageId.parse("web:/picture")


def image(pixels: NDArray[Any], alpha: NDArray[Any] | None, bits: int = 8) -> Image:
    colour = pixels.ndim == 3
    metadata = FrameMetadata(
        transfer_syntax_uid="",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        photometric_interpretation="RGB" if colour else "MONOCHROME2",
        samples_per_pixel=3 if colour else 1,
        bits_allocated=8 * pixels.dtype.itemsize,
        bits_stored=bits,
        high_bit=bits - 1,
    )
    return Image.of(DecodedFrame(metadata, pixels, metadata.photometric_interpretation, alpha=alpha), ID)


def test_it_is_read_only_and_counted() -> None:
    pixels, alpha = noise((4, 5, 3)), noise((4, 5))
    shown = image(pixels, alpha)
    assert shown.alpha is alpha
    assert not alpha.flags.writeable
    assert shown.nbytes == 4 * 5 * 4
    assert image(noise((4, 5)), None).nbytes == 20


def test_it_is_as_large_as_the_picture() -> None:
    with pytest.raises(DecodeError, match="alpha channel"):
        image(noise((4, 5)), noise((5, 4)))


@pytest.mark.parametrize("background", [0.0, 1.0, (1.0, 0.0, 0.2)])
def test_over_a_background_as_pillow_lays_it(background: float | tuple[float, float, float]) -> None:
    pixels, alpha = noise((9, 9, 3), 8, 1), noise((9, 9), 8, 2)
    colour = tuple(round(255 * part) for part in np.broadcast_to(np.asarray(background), 3))
    behind = Pillow.new("RGBA", (9, 9), (*colour, 255))
    behind.alpha_composite(Pillow.fromarray(np.dstack((pixels, alpha))))
    found = image(pixels, alpha).composed(background)
    assert np.abs(found.pixels.astype(int) - np.asarray(behind)[..., :3]).max() <= 1
    assert found.alpha is None
    shown = image(pixels, alpha).to_display(background=background)
    np.testing.assert_array_equal(shown, found.pixels)


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_transparent_is_the_background_and_opaque_the_pixel(bits: int) -> None:
    largest = (1 << bits) - 1
    pixels = noise((2, 2), bits)
    alpha = np.array([[0, largest], [largest, 0]], pixels.dtype)
    found = image(pixels, alpha, bits).composed(1.0)
    assert found.pixels.dtype == pixels.dtype
    assert found.pixels.tolist() == [[largest, pixels[0, 1]], [pixels[1, 0], largest]]


def test_grey_over_a_colour_is_rgb() -> None:
    found = image(np.full((1, 2), 9, np.uint8), np.array([[0, 255]], np.uint8)).composed((1.0, 0.0, 0.0))
    assert found.pixels.tolist() == [[[255, 0, 0], [9, 9, 9]]]
    assert (found.photometric_interpretation, found.samples_per_pixel) == ("RGB", 3)


def test_without_an_alpha_channel_it_is_the_same_image() -> None:
    plain = image(noise((3, 3)), None)
    assert plain.composed(1.0) is plain
    np.testing.assert_array_equal(plain.to_display(background=1.0), plain.to_display())


@pytest.mark.parametrize("background", [-0.1, 1.5, (0.0, 0.0), (0.0, 0.0, 2.0), float("nan")])
def test_what_is_no_background(background: Any) -> None:
    with pytest.raises(ValueError, match="background"):
        image(noise((3, 3)), noise((3, 3))).composed(background)


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3)])
def test_a_notebook_shows_it(shape: tuple[int, ...]) -> None:
    pixels, alpha = noise(shape, 8, 1), noise((6, 7), 8, 2)
    found = image(pixels, alpha)
    with Pillow.open(BytesIO(found._repr_png_())) as picture:
        assert picture.mode == ("LA" if len(shape) == 2 else "RGBA")
        np.testing.assert_array_equal(np.asarray(picture), np.dstack((found.to_display(), alpha)))


def test_it_stays_with_pixels_in_another_place() -> None:
    alpha = noise((3, 3))
    out = np.zeros((3, 3), np.float32)
    found = image(noise((3, 3)), alpha).placed(PixelTarget(out))
    assert found.alpha is alpha
    assert np.shares_memory(found.pixels, out)
    assert found.composed(1.0).pixels.dtype == np.float32
