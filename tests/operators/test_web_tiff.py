"""TIFF: pages, photometric interpretations, and strips that are whole or refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from cornerstream.images.errors import DecodeError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.web_image import decode_web, open_web
from cornerstream.operators.web_tiff_directory import read_directories
from tests.support.pictures import ID, decoded, noise, opened, saved, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray


def test_pages_of_a_tiff() -> None:
    pages: list[NDArray[Any]] = [noise((5, 6)), noise((3, 4), 16), noise((2, 7, 3))]
    first, *more = map(Pillow.fromarray, pages)
    body = saved(first, "TIFF", save_all=True, append_images=more)
    for number, pixels in enumerate(pages, start=1):
        image = decode_web(body, ID.with_frame(number))
        np.testing.assert_array_equal(image.pixels, pixels)
        assert (image.frame_number, image.number_of_frames) == (number, 3)


def test_white_is_zero() -> None:
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    body = saved(levels, "TIFF", tiffinfo={262: 0})
    image = decoded(body)
    assert image.photometric_interpretation == "MONOCHROME1"
    with opened(body) as picture:
        np.testing.assert_array_equal(image.to_display(), np.asarray(picture))


def test_multiplied_alpha_is_divided_again() -> None:
    straight = noise((6, 6, 4))
    alpha = straight[..., 3:] / 255
    multiplied = straight.copy()
    multiplied[..., :3] = np.rint(straight[..., :3] * alpha)
    found = decoded(changed(saved(multiplied, "TIFF"), 338, 1))
    assert (np.abs(found.pixels.astype(int) - straight[..., :3]) <= np.ceil(0.5 / np.maximum(alpha, 1e-9))).all()
    np.testing.assert_array_equal(found.alpha, straight[..., 3])


def changed(body: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another value in an entry that holds one."""
    start = int.from_bytes(body[4:8], "little")
    for entry in range(start + 2, start + 2 + 12 * int.from_bytes(body[start : start + 2], "little"), 12):
        if int.from_bytes(body[entry : entry + 2], "little") == tag:
            kind = "<H" if body[entry + 2] == 3 else "<I"
            place = bytearray(body)
            struct.pack_into(kind, place, entry + 8, value)
            return bytes(place)
    raise AssertionError(f"no entry {tag}")


def strip_bytes(body: bytes) -> int:
    """The length of the only strip, as Pillow reads it."""
    with opened(body) as picture:
        assert isinstance(picture, TiffImagePlugin.TiffImageFile)
        (count,) = picture.tag_v2[279]
    assert isinstance(count, int)
    return count


GREY = saved(noise((9, 13)), "TIFF")


@pytest.mark.parametrize(
    ("tag", "value", "error", "message"),
    [
        (256, 70_000, TruncatedError, "cannot hold its pixels"),
        (257, 30_000, SplitError, "strips or tiles"),
        (257, 0, DecodeError, "0 × 13"),
        (258, 7, DecodeError, "7 bits"),
        (259, 6, DecodeError, "compression 6"),
        (262, 8, DecodeError, "interpretation 8"),
        (273, 1 << 20, TruncatedError, "too early"),
        (278, 4, SplitError, "1 strips or tiles"),
        (278, 0, SplitError, "no rows"),
        (279, 0, TruncatedError, "0 bytes"),
    ],
)
def test_tiffs_that_contradict_themselves(tag: int, value: int, error: type[ImageLoadError], message: str) -> None:
    with pytest.raises(error, match=message):
        decoded(changed(GREY, tag, value))


def test_directories_that_come_around_again() -> None:
    start = int.from_bytes(GREY[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(GREY[start : start + 2], "little")
    with pytest.raises(SplitError, match="come around"):
        open_web(GREY[:end] + GREY[4:8] + GREY[end + 4 :])
    with pytest.raises(SplitError, match="no directory"):
        open_web(GREY[:4] + bytes(4) + GREY[8:])


def test_a_large_tiff_is_refused_by_its_header() -> None:
    with pytest.raises(LimitError, match="frame_pixels"):
        decoded(changed(changed(GREY, 256, 60_000), 257, 60_000))


def test_a_jpeg_inside_a_tiff_has_its_end() -> None:
    body = saved(smooth(40, 40), "TIFF", compression="jpeg")
    assert np.abs(decoded(body).pixels.astype(int) - smooth(40, 40)).max() < 20
    with pytest.raises(TruncatedError, match="end marker"):
        decoded(changed(body, 279, strip_bytes(body) - 20))


@pytest.mark.parametrize("order", [1, 2])
def test_a_facsimile_inside_a_tiff_has_its_end(order: int) -> None:
    picture = Pillow.fromarray(noise((40, 50))).convert("1")
    body = saved(picture, "TIFF", compression="group4", tiffinfo={266: order})
    np.testing.assert_array_equal(decoded(body).pixels, np.asarray(picture))
    count = strip_bytes(body)
    for missing in range(4, count, 7):
        with pytest.raises(TruncatedError, match="facsimile"):
            decoded(changed(body, 279, count - missing))
    with pytest.raises(DecodeError, match="compression 3"):
        decoded(saved(picture, "TIFF", compression="group3"))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"])
def test_a_strip_that_is_cut_is_refused(compression: str) -> None:
    body = saved(noise((40, 50, 3)), "TIFF", compression=compression)
    count = strip_bytes(body)
    for missing in range(40, count, 500):
        with pytest.raises(DecodeError):
            decoded(changed(body, 279, count - missing))


def test_jpeg_with_alpha_inside_a_tiff_is_refused() -> None:
    """libtiff would hand out colours that are multiplied by it."""
    with pytest.raises(DecodeError, match="with alpha"):
        decoded(saved(smooth(16, 16, 4), "TIFF", compression="jpeg"))


@pytest.mark.parametrize("count", [1 << 20, 1 << 40, (1 << 64) - 1])
def test_values_that_no_file_can_hold_are_behind_the_end(count: int) -> None:
    entry = struct.pack("<HHQQ", 256, 4, count, 16)
    body = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1) + entry + bytes(8)
    (directory,) = read_directories(body, DEFAULT_LIMITS)
    with pytest.raises(TruncatedError):
        directory.all(256)
