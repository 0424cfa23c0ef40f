"""Overlays in the unused bits of pixel words: taken before the value is masked."""

from __future__ import annotations

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.split_frames import split_part10
from tests.support.overlays import embedded_data_set
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, RLE, written


@pytest.mark.parametrize("uid", [EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("dtype", ["u2", "u4"])
def test_embedded_overlays_are_the_bits_beside_the_value(uid: str, dtype: str) -> None:
    words = np.random.default_rng(8).integers(0, np.iinfo(dtype).max, (6, 7), dtype)
    body = written(embedded_data_set(words, 12, {0x6000: 15, 0x6006: 12}, uid))
    decoded = decode_frame(split_part10(body)[0])
    np.testing.assert_array_equal(decoded.pixels, words & 0xFFF)
    first, second = decoded.metadata.overlays
    assert first.embedded
    np.testing.assert_array_equal(first.mask, words >> 15 & 1)
    np.testing.assert_array_equal(second.mask, words >> 12 & 1)


def test_embedded_overlays_of_rle() -> None:
    words = np.random.default_rng(9).integers(0, 1 << 16, (6, 8), np.uint16)
    data_set = embedded_data_set(words, 10, {0x6002: 13})
    data_set.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    decoded = decode_frame(split_part10(written(data_set))[0])
    np.testing.assert_array_equal(decoded.pixels, words & 0x3FF)
    np.testing.assert_array_equal(decoded.metadata.overlays[0].mask, words >> 13 & 1)


def test_frames_of_no_words_have_no_embedded_overlays() -> None:
    words = np.zeros((6, 8), np.uint16)
    data_set = embedded_data_set(words, 10, {0x6002: 13})
    metadata = parse_header(written(data_set)).metadata
    with pytest.raises(DecodeError, match="6002: it is bit 13 of the pixel words"):
        _ = metadata.frame(1).overlays[0].mask


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"e0102": 9}, "bit 9 of the pixel words belongs to the pixel's own value"),
        ({"e0102": 16}, "or is none of them"),
        ({"e0100": 8}, "embedded in words of 8 bits"),
        ({"e0010": 5}, "instead of the image's"),
    ],
)
def test_embedded_overlays_that_contradict_the_image(changes: dict[str, int], message: str) -> None:
    words = np.full((6, 8), 0xFFFF, np.uint16)
    data_set = embedded_data_set(words, 12, {0x6000: 15})
    for name, value in changes.items():
        data_set.add_new(0x60000000 | int(name[1:], 16), "US", value)
    decoded = decode_frame(split_part10(written(data_set))[0])
    assert decoded.pixels.max() == 0xFFF
    with pytest.raises(DecodeError, match=message):
        _ = decoded.metadata.overlays[0].mask


def test_bits_below_the_value_are_free_too() -> None:
    words = np.random.default_rng(5).integers(0, 1 << 16, (3, 4), np.uint16)
    data_set = embedded_data_set(words, 12, {0x6000: 2})
    data_set.HighBit = 15
    decoded = decode_frame(split_part10(written(data_set))[0])
    np.testing.assert_array_equal(decoded.pixels, words >> 4)
    np.testing.assert_array_equal(decoded.metadata.overlays[0].mask, words >> 2 & 1)
