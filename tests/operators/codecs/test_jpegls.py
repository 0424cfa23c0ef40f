"""JPEG-LS: round trips through CharLS, cut and lying codestreams."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decompress import decode_frame
from tests.support.frames import describing

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOSSLESS, NEAR_LOSSLESS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"


def decode(pixels: NDArray[Any], data: bytes, uid: str = LOSSLESS, **tags: Any) -> NDArray[Any]:
    return decode_frame(EncodedFrame(describing(pixels, uid, **tags), data)).pixels


@given(st.sampled_from(["u1", "u2"]), st.booleans(), st.data())
@settings(max_examples=40, deadline=None)
def test_lossless_round_trip(dtype: str, colour: bool, data: st.DataObject) -> None:
    shape = st.tuples(st.integers(1, 9), st.integers(1, 9), *[st.just(3)] * colour)
    pixels = data.draw(arrays(dtype, shape))
    assert np.array_equal(decode(pixels, bytes(imagecodecs.jpegls_encode(pixels))), pixels)


def test_signed_data_is_sign_extended() -> None:
    pixels = np.array([[-32768, -1, 0, 32767]], np.int16)
    decoded = decode(pixels, bytes(imagecodecs.jpegls_encode(pixels.view(np.uint16))))
    assert decoded.dtype == np.int16
    assert np.array_equal(decoded, pixels)


def test_near_lossless_is_near() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    decoded = decode(pixels, bytes(imagecodecs.jpegls_encode(pixels, level=3)), NEAR_LOSSLESS)
    assert 0 < np.abs(decoded.astype(int) - pixels).max() <= 3


def test_a_cut_codestream_is_refused_at_once() -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (256, 256)).astype(np.uint16)
    data = bytes(imagecodecs.jpegls_encode(pixels))
    start = perf_counter()
    with pytest.raises(DecodeError, match="no end marker"):
        decode(pixels, data[: len(data) // 2])
    with pytest.raises(DecodeError, match="imagecodecs refused the frame"):
        decode(pixels, data[: len(data) // 2] + b"\xff\xd9")
    assert perf_counter() - start < 1


def test_sizes_that_contradict_the_data_set_are_refused() -> None:
    data = bytes(imagecodecs.jpegls_encode(np.zeros((4, 5), np.uint16)))
    with pytest.raises(DecodeError, match="4 × 5 × 1, the data set says 5 × 4 × 1"):
        decode(np.zeros((5, 4), np.uint16), data)
    with pytest.raises(DecodeError, match="16 bits a sample, Bits Allocated is 8"):
        decode(np.zeros((4, 5), np.uint8), data)


def test_jpeg_under_a_jpeg_ls_transfer_syntax_is_refused() -> None:
    pixels = np.zeros((8, 8), np.uint8)
    with pytest.raises(DecodeError, match="the codestream is JPEG, the transfer syntax says JPEG-LS"):
        decode(pixels, bytes(imagecodecs.jpeg8_encode(pixels)))
