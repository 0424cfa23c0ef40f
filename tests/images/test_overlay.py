"""Overlay planes: bits unpacked for the right frame, and burnt into what is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.overlay import Overlay
from tests.support.frames import EXPLICIT, describing

if TYPE_CHECKING:
    from numpy.typing import NDArray


def overlay_of(bits: NDArray[Any], **changes: Any) -> Overlay:
    """An overlay of bits: rows × columns, or frames × rows × columns."""
    packed = np.packbits(bits.reshape(-1).astype(bool), bitorder="little").tobytes()
    rows, columns = bits.shape[-2:]
    return Overlay(0x6000, rows, columns, type="G", data=packed, **changes)


def image_of(pixels: NDArray[Any], *overlays: Overlay) -> Image:
    described = describing(pixels, EXPLICIT, overlays=overlays)
    return Image.of(DecodedFrame(described, pixels, described.photometric_interpretation), ImageId.parse("test:x"))


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.data())
@settings(max_examples=40, deadline=None)
def test_each_frame_has_its_own_bits(frames: int, rows: int, columns: int, data: st.DataObject) -> None:
    bits = np.random.default_rng(rows * columns).integers(0, 2, (frames, rows, columns), np.uint8)
    index = data.draw(st.integers(0, frames - 1))
    mask = overlay_of(bits, number_of_frames=frames, frame_index=index).mask
    assert mask.dtype == np.uint8
    assert not mask.flags.writeable
    np.testing.assert_array_equal(mask, bits[index])


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (Overlay(0x6002, 3, 3), "overlay 6002: the data set has no Overlay Data"),
        (Overlay(0x6002, 3, 3, data=b"\1"), "overlay 6002: 1 bytes do not hold frame 1 of 3 × 3 bits"),
        (Overlay(0x6002, 2, 2, data=b"\1\1", frame_index=4), "do not hold frame 5"),
        (Overlay(0x6002, 2, 2, data=b"\1\1", frame_index=-1), "do not hold"),
        (Overlay(0x6002, 0, 2, data=b"\1\1"), "0 × 2 bits"),
        (Overlay(0x6002, 2, 2, data=b"\1\1", fault="it is odd"), "overlay 6002: it is odd"),
        (Overlay(0x601E, 2, 2, bits_allocated=16, bit_position=15), "601E: it is bit 15 of the pixel words"),
    ],
)
def test_a_mask_that_cannot_be_is_refused(overlay: Overlay, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        _ = overlay.mask


def test_an_image_shows_its_overlays_on_request_only() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    marked = np.eye(3, 4)
    image = image_of(pixels, overlay_of(marked))
    plain = image.to_display()
    np.testing.assert_array_equal(image_of(pixels).to_display(overlays=True), plain)
    shown = image.to_display(overlays=True)
    np.testing.assert_array_equal(shown, np.where(marked, 255, plain))
    np.testing.assert_array_equal(image.pixels, pixels)
    np.testing.assert_array_equal(image.to_display(), plain)


def test_graphics_are_white_in_colour_and_on_inverted_images() -> None:
    rgb = np.full((2, 2, 3), 7, np.uint8)
    shown = image_of(rgb, overlay_of(np.array([[0, 1], [0, 0]]))).to_display(overlays=True)
    assert shown.tolist() == [[[7] * 3, [255] * 3], [[7] * 3, [7] * 3]]
    assert rgb.max() == 7
    inverted = replace(image_of(np.array([[0, 9]], np.uint8), overlay_of(np.array([[0, 1]]))))
    inverted = replace(inverted, photometric_interpretation="MONOCHROME1")
    assert inverted.to_display(overlays=True).tolist() == [[255, 255]]


def test_regions_are_not_burnt() -> None:
    region = replace(overlay_of(np.ones((1, 2))), type="R")
    image = image_of(np.array([[0, 9]], np.uint8), region, replace(region, type=""))
    assert image.to_display(overlays=True).tolist() == [[0, 255]]
    assert image.overlays[0].mask.tolist() == [[1, 1]]


@given(st.integers(-6, 8), st.integers(-6, 8), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_what_lies_outside_is_cut_off(row: int, column: int, rows: int, columns: int) -> None:
    bits = np.random.default_rng(rows * 7 + columns).integers(0, 2, (rows, columns))
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    image = image_of(pixels, overlay_of(bits, origin=(row, column)))
    wanted = image.to_display().copy()
    for (y, x), bit in np.ndenumerate(bits):
        target = y + row - 1, x + column - 1
        if bit and 0 <= target[0] < 4 and 0 <= target[1] < 5:
            wanted[target] = 255
    np.testing.assert_array_equal(image.to_display(overlays=True), wanted)


def test_a_bad_overlay_harms_only_who_asks_for_it() -> None:
    image = image_of(np.array([[0, 9]], np.uint8), Overlay(0x6004, 5, 5, type="G"))
    assert image.to_display().tolist() == [[0, 255]]
    with pytest.raises(DecodeError, match="6004"):
        image.to_display(overlays=True)


def test_an_image_counts_its_share_of_the_bits() -> None:
    pixels = np.zeros((4, 4), np.uint16)
    single = overlay_of(np.ones((4, 4)))
    assert image_of(pixels, single, replace(single, bits_allocated=16, bit_position=15)).nbytes == pixels.nbytes + 4
    many = overlay_of(np.ones((10, 4, 4)), number_of_frames=10)
    assert image_of(pixels, many).nbytes == pixels.nbytes + 20
    assert replace(image_of(pixels, many), number_of_frames=5).nbytes == pixels.nbytes + 4
