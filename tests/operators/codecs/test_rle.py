"""RLE: pydicom's and pylibjpeg's encoders and decoders as oracles, and headers that lie."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import encode_rle
from tests.support.frames import describing, metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

UID = "1.2.840.10008.1.2.5"


def segmented(*segments: bytes) -> bytes:
    offsets = [64 + sum(map(len, segments[:i])) for i in range(len(segments))]
    return struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def decode(data: bytes, prefer: str | None = None, **attributes: Any) -> NDArray[Any]:
    return decode_frame(EncodedFrame(metadata(UID, **attributes), data), prefer).pixels


@given(st.sampled_from(["u1", "u2", "u4"]), st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_what_pylibjpeg_encodes_comes_back_from_both_decoders(dtype: str, colour: bool, data: st.DataObject) -> None:
    shape = st.tuples(st.integers(1, 9), st.integers(1, 9), *[st.just(3)] * colour)
    pixels = data.draw(arrays(dtype, shape, elements=st.sampled_from([0, 1, 200, 255])))
    pixels *= np.dtype(dtype).type({"u1": 1, "u2": 0x0103, "u4": 0x01030705}[dtype])  # every byte another one
    frame = EncodedFrame(describing(pixels, UID), encode_rle(pixels))
    for prefer in (None, "pylibjpeg-rle"):
        decoded = decode_frame(frame, prefer).pixels
        assert decoded.dtype == pixels.dtype
        assert np.array_equal(decoded, pixels)


def test_signed_data_is_masked_and_sign_extended() -> None:
    words = np.array([[0xF800, 0x07FF, 0x0FFF]], np.uint16)
    frame = EncodedFrame(describing(words, UID, bits_stored=12, pixel_representation=1), encode_rle(words))
    assert decode_frame(frame).pixels.tolist() == [[-2048, 2047, -1]]


def test_1_bit_frames_in_both_forms() -> None:
    bits = np.random.default_rng(1).integers(0, 2, (5, 6), np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    unpacked = bits.tobytes()
    for segment in (packed, unpacked):
        data = segmented(bytes([len(segment) - 1]) + segment)
        assert np.array_equal(decode(data, rows=5, columns=6, bits_allocated=1), bits)
    data = segmented(bytes([len(unpacked) - 1]) + unpacked)
    assert np.array_equal(decode(data, "pylibjpeg-rle", rows=5, columns=6, bits_allocated=1), bits)


@pytest.mark.parametrize("prefer", [None, "pylibjpeg-rle"])
@pytest.mark.parametrize("padding", [0, 1, 2, 3, 8])
def test_padding_behind_a_segment_is_allowed(padding: int, prefer: str | None) -> None:
    # two zeros read as a literal run of one zero
    assert decode(segmented(b"\2\1\2\3" + bytes(padding)), prefer, columns=3).tolist() == [[1, 2, 3]]


def test_the_error_of_a_short_segment_says_how_short() -> None:
    data = segmented(RUN_OF_100, bytes([257 - 99, 7]))
    with pytest.raises(DecodeError, match=r"expand to \[100, 99\] bytes, 100 each are needed"):
        decode(data, rows=10, columns=10, bits_allocated=16)


def test_a_segment_much_longer_than_its_frame_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode(segmented(RUN_OF_100 * 20), rows=10, columns=10)


RUN_OF_100 = bytes([257 - 100, 7])


@pytest.mark.parametrize("prefer", [None, "pylibjpeg-rle"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(63),
        bytes(64),
        segmented(RUN_OF_100),  # one segment where two are needed
        segmented(RUN_OF_100, RUN_OF_100, RUN_OF_100),
        struct.pack("<16L", 2, 64, 64, *[0] * 13) + RUN_OF_100 * 2,  # the same offset twice
        struct.pack("<16L", 2, 66, 64, *[0] * 13) + RUN_OF_100 * 2,  # backwards
        struct.pack("<16L", 2, 64, 1000, *[0] * 13) + RUN_OF_100 * 2,  # behind the end
        struct.pack("<16L", 2, 0, 66, *[0] * 13) + RUN_OF_100 * 2,  # inside the header
        segmented(RUN_OF_100, bytes([257 - 99, 7])),  # a segment one byte short
        segmented(RUN_OF_100, b"\x7f\1\2\3"),  # a literal run cut short
    ],
)
def test_segments_that_contradict_the_description_are_refused(data: bytes, prefer: str | None) -> None:
    with pytest.raises(DecodeError):
        decode(data, prefer, rows=10, columns=10, bits_allocated=16)


def test_a_huge_description_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(DecodeError, match="cannot expand to"):
        decode(segmented(RUN_OF_100), rows=16384, columns=16384)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused_or_gives_the_right_shape(data: bytes) -> None:
    try:
        assert decode(segmented(data), rows=4, columns=4).shape == (4, 4)
    except DecodeError:
        return
