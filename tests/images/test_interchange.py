"""How other libraries see an image: numpy's array protocol, DLPack, and pictures in notebooks."""

from __future__ import annotations

import gc
import io
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture

from cornerstream.images import dlpack
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import FrameMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def image_of(pixels: NDArray[np.generic], photometric_interpretation: str = "MONOCHROME2") -> Image:
    bits = 8 * pixels.dtype.itemsize
    metadata = FrameMetadata(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        photometric_interpretation=photometric_interpretation,
        bits_allocated=bits,
        bits_stored=bits,
        high_bit=bits - 1,
    )
    return Image.of(DecodedFrame(metadata, pixels, photometric_interpretation), ImageId.parse("test:1"))


def grey(dtype: type[np.generic] = np.int16) -> NDArray[np.generic]:
    return np.arange(12).reshape(3, 4).astype(dtype)


class Old:
    """A consumer's view of an image as of DLPack before 1.0: it does not say what it understands."""

    def __init__(self, image: Image) -> None:
        self._image = image

    def __dlpack__(self, **_: object) -> Any:
        return self._image.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._image.__dlpack_device__()


@pytest.mark.parametrize(
    "pixels",
    [grey(np.uint8), grey(), grey(np.uint32), grey(np.float32), grey(np.float64), np.zeros((3, 4, 3), np.uint8)],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape}",
)
def test_from_dlpack_shares_the_memory_and_cannot_write(pixels: NDArray[np.generic]) -> None:
    image = image_of(pixels, "RGB" if pixels.ndim == 3 else "MONOCHROME2")
    for seen in (np.from_dlpack(image), np.from_dlpack(image, copy=False), np.from_dlpack(image, device="cpu")):
        assert seen.dtype == pixels.dtype
        assert np.array_equal(seen, pixels)
        assert np.shares_memory(seen, image.pixels)
        assert not seen.flags.writeable


def test_strides_survive() -> None:
    pixels = np.arange(24, dtype=np.uint16).reshape(4, 6)[::2, ::-2]
    assert np.array_equal(np.from_dlpack(image_of(pixels)), pixels)


def test_a_copy_is_the_callers_own() -> None:
    image = image_of(grey())
    copy = np.from_dlpack(image, copy=True)
    copy[0, 0] = 99
    assert image.pixels[0, 0] == 0
    assert image.__dlpack__(copy=True) is not None  # for a consumer of before 1.0 too


def test_an_old_consumer_is_told_to_copy() -> None:
    with pytest.raises(BufferError, match=r"read-only.*copy=True"):
        np.from_dlpack(Old(image_of(grey())))
    with pytest.raises(BufferError, match="read-only"):
        image_of(grey()).__dlpack__(max_version=(0, 8))


def test_an_old_numpy_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlpack, "_NUMPY_IS_VERSIONED", False)
    image = image_of(grey())
    with pytest.raises(BufferError, match=r"numpy .* cannot export read-only pixels"):
        np.from_dlpack(image)
    assert not np.shares_memory(np.from_dlpack(image, copy=True), image.pixels)


@pytest.mark.parametrize("asked", [{"dl_device": (2, 0)}, {"dl_device": (1, 1)}])
def test_another_device_is_refused(asked: Mapping[str, Any]) -> None:
    image = image_of(grey())
    with pytest.raises(BufferError, match="not on device"):
        image.__dlpack__(max_version=(1, 0), **asked)
    assert image.__dlpack_device__() == (1, 0)


def test_a_dtype_that_dlpack_does_not_know_is_refused() -> None:
    with pytest.raises(BufferError):
        np.from_dlpack(image_of(grey().astype(">i2")))


def test_what_was_handed_out_keeps_the_pixels_alive() -> None:
    pixels = grey().copy()
    image = image_of(pixels)
    gone = weakref.ref(image)
    seen = np.from_dlpack(image)
    del image, pixels
    gc.collect()
    assert gone() is None
    assert np.array_equal(seen, grey())


def test_a_capsule_that_nobody_takes_is_let_go() -> None:
    image = image_of(grey())
    alive = weakref.ref(image.pixels)
    capsule = image.__dlpack__(max_version=(1, 0))
    del image, capsule
    gc.collect()
    assert alive() is None


def shown(image: Image) -> NDArray[np.uint8]:
    with Picture.open(io.BytesIO(image._repr_png_())) as picture:
        return np.asarray(picture)


def test_notebooks_show_colour_as_it_is() -> None:
    rgb = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    assert np.array_equal(shown(image_of(rgb, "RGB")), rgb)


def test_notebooks_show_monochrome1_inverted() -> None:
    pixels = np.array([[0, 255]], np.uint8)
    assert shown(image_of(pixels)).tolist() == [[0, 255]]
    assert shown(image_of(pixels, "MONOCHROME1")).tolist() == [[255, 0]]


@pytest.mark.parametrize(("shape", "expected"), [((3000, 1500), (1024, 512)), ((40, 2048, 3), (20, 1024, 3))])
def test_notebooks_show_large_images_smaller(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[: shape[0] // 2] = 255
    small = shown(image_of(pixels, "RGB" if len(shape) == 3 else "MONOCHROME2"))
    assert small.shape == expected
    assert (small[: expected[0] // 3] == 255).all()
    assert (small[-(expected[0] // 3) :] == 0).all()


def test_notebooks_show_small_images_pixel_by_pixel() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(shown(image_of(pixels)), pixels)
