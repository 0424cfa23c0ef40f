"""Native frames: every width, sign, byte order and planar form, against arithmetic written another way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.pixels.utils import expand_ybr422, unpack_bits

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decompress import decode_frame
from tests.support.frames import BIG_ENDIAN, EXPLICIT, describing, metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4"]


def decode(data: bytes | memoryview, uid: str = EXPLICIT, **attributes: Any) -> NDArray[Any]:
    return decode_frame(EncodedFrame(metadata(uid, **attributes), data)).pixels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_whole_words_come_back_in_both_byte_orders(dtype: str, order: str, data: st.DataObject) -> None:
    pixels = data.draw(arrays(dtype, st.tuples(st.integers(1, 5), st.integers(1, 5))))
    uid = BIG_ENDIAN if order == ">" else EXPLICIT
    described = describing(pixels, uid, pixel_vr_is_ow=False)
    native = pixels.astype(order + dtype).tobytes()
    decoded = decode_frame(EncodedFrame(described, native)).pixels
    assert decoded.dtype == pixels.dtype
    assert decoded.dtype.isnative
    assert np.array_equal(decoded, pixels)


def test_8_bit_words_of_a_big_endian_ow_element_are_swapped() -> None:
    assert decode(b"\2\1\4\3", BIG_ENDIAN, columns=3).tolist() == [[1, 2, 3]]
    assert decode(b"\1\2\3\4", BIG_ENDIAN, columns=3, pixel_vr_is_ow=False).tolist() == [[1, 2, 3]]
    with pytest.raises(DecodeError, match="16-bit words"):
        decode(b"\2\1\4", BIG_ENDIAN, columns=3)


@given(st.integers(1, 16), st.integers(0, 15), st.booleans(), st.integers(0, 0xFFFF))
@settings(max_examples=200, deadline=None)
def test_stored_bits_end_at_high_bit_and_carry_the_sign(stored: int, spare: int, signed: bool, word: int) -> None:
    high = min(stored - 1 + spare, 15)
    value = word >> (high + 1 - stored) & (1 << stored) - 1
    if signed and value >> (stored - 1):
        value -= 1 << stored
    decoded = decode(
        word.to_bytes(2, "little"),
        bits_allocated=16,
        bits_stored=stored,
        high_bit=high,
        pixel_representation=int(signed),
    )
    assert decoded.tolist() == [[value]]
    assert decoded.dtype == ("i2" if signed else "u2")


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)))
@settings(max_examples=30, deadline=None)
def test_1_bit_frames_are_zeros_and_ones(bits: NDArray[np.uint8]) -> None:
    packed = np.packbits(bits, bitorder="little").tobytes()
    decoded = decode(packed, rows=bits.shape[0], columns=bits.shape[1], bits_allocated=1)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, bits)
    oracle = unpack_bits(packed)
    assert isinstance(oracle, np.ndarray)
    assert np.array_equal(decoded.reshape(-1), oracle[: bits.size])


@given(arrays(np.uint16, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 4095)))
@settings(max_examples=30, deadline=None)
def test_12_bit_frames_follow_each_other_without_a_gap(pixels: NDArray[np.uint16]) -> None:
    whole = sum(int(value) << 12 * index for index, value in enumerate(pixels.reshape(-1)))
    packed = whole.to_bytes((12 * pixels.size + 7) // 8, "little")
    decoded = decode(packed, rows=pixels.shape[0], columns=pixels.shape[1], bits_allocated=12)
    assert np.array_equal(decoded, pixels)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_both_planar_configurations_are_rows_columns_samples(dtype: str) -> None:
    pixels = np.arange(60, dtype=dtype).reshape(4, 5, 3)
    for planar, native in ((0, pixels), (1, np.moveaxis(pixels, -1, 0))):
        described = describing(pixels, EXPLICIT, planar_configuration=planar)
        decoded = decode_frame(EncodedFrame(described, native.tobytes())).pixels
        assert np.array_equal(decoded, pixels)
        assert decoded.flags.c_contiguous


def test_ybr_full_422_is_expanded() -> None:
    frame = EncodedFrame(
        metadata(columns=4, samples_per_pixel=3, photometric_interpretation="YBR_FULL_422"),
        bytes([1, 2, 100, 200, 3, 4, 110, 210]),
    )
    decoded = decode_frame(frame)
    assert decoded.photometric_interpretation == "YBR_FULL"
    assert decoded.pixels.tolist() == [[[1, 100, 200], [2, 100, 200], [3, 110, 210], [4, 110, 210]]]


PAIRS: dict[str, Any] = {"samples_per_pixel": 3, "photometric_interpretation": "YBR_FULL_422"}


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 1), (1, 5), (3, 5), (4, 5), (2, 7)])
def test_odd_columns_of_ybr_full_422_in_rows_of_whole_pairs(rows: int, columns: int) -> None:
    luma = np.arange(rows * (columns + 1), dtype=np.uint8).reshape(rows, -1)
    chroma = np.arange(100, 100 + luma.size, dtype=np.uint8).reshape(rows, -1, 2)
    packed = np.dstack([luma.reshape(rows, -1, 2), chroma])
    pixels = decode(packed.tobytes(), rows=rows, columns=columns, **PAIRS)
    assert pixels.flags.c_contiguous
    for row in range(rows):
        for column in range(columns):
            assert pixels[row, column].tolist() == [luma[row, column], *chroma[row, column // 2]]


@pytest.mark.parametrize(("rows", "columns"), [(2, 1), (4, 5), (2, 7)])
def test_odd_columns_of_ybr_full_422_in_pairs_through_the_rows(rows: int, columns: int) -> None:
    packed = np.random.default_rng(3).integers(0, 256, 2 * rows * columns, np.uint8).tobytes()
    oracle = np.frombuffer(expand_ybr422(packed, 8), np.uint8).reshape(rows, columns, 3)
    assert np.array_equal(decode(packed, rows=rows, columns=columns, **PAIRS), oracle)


@pytest.mark.parametrize("length", [0, 29, 30, 31, 32, 35, 38, 45])
def test_odd_columns_of_ybr_full_422_are_refused_where_the_length_proves_neither(length: int) -> None:
    with pytest.raises(DecodeError, match=f"has {length} bytes; its description needs 36"):
        decode(bytes(length), rows=3, columns=5, **PAIRS)


def test_ybr_full_422_has_8_bits() -> None:
    with pytest.raises(DecodeError, match="has 8 bits"):
        decode(bytes(16), rows=2, columns=2, bits_allocated=16, **PAIRS)


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
@pytest.mark.parametrize("order", ["<", ">"])
def test_float_pixel_data(keyword: str, dtype: str, order: str) -> None:
    values = np.array([[1.5, -2.25, np.inf, 1e-30]], dtype)
    decoded = decode(
        values.astype(order + dtype).tobytes(),
        BIG_ENDIAN if order == ">" else EXPLICIT,
        columns=4,
        bits_allocated=8 * values.itemsize,
        pixel_keyword=keyword,
    )
    assert decoded.dtype == np.dtype(dtype)
    assert np.array_equal(decoded, values)


@pytest.mark.parametrize(("length", "fits"), [(8, False), (9, True), (10, True), (11, False)])
def test_one_byte_of_padding_is_allowed(length: int, fits: bool) -> None:
    if fits:
        assert decode(bytes(length), rows=3, columns=3).shape == (3, 3)
    else:
        with pytest.raises(DecodeError, match=f"has {length} bytes; its description needs 9"):
            decode(bytes(length), rows=3, columns=3)


def test_a_huge_description_of_few_bytes_allocates_nothing() -> None:
    with pytest.raises(DecodeError, match="its description needs"):
        decode(bytes(256), rows=16384, columns=16384, bits_allocated=16)


def test_a_frame_does_not_keep_the_file_alive() -> None:
    body = bytes(range(100))
    decoded = decode(memoryview(body)[10:14], rows=2, columns=2)
    assert decoded.tolist() == [[10, 11], [12, 13]]
    assert not np.shares_memory(decoded, np.frombuffer(body, np.uint8))


def test_a_frame_does_not_change_with_the_buffer_it_came_in() -> None:
    buffer = bytearray(b"\1\2\3\4")
    decoded = decode(memoryview(buffer), rows=2, columns=2)
    buffer[0] = 99
    assert decoded.tolist() == [[1, 2], [3, 4]]


def test_the_memory_that_a_part_was_received_into_is_not_copied() -> None:
    received = np.arange(8, dtype=np.uint8)
    decoded = decode(memoryview(received.data).toreadonly(), rows=2, columns=4)
    assert np.shares_memory(decoded, received)


def test_memory_that_somebody_may_write_is_copied() -> None:
    theirs = np.arange(8, dtype=np.uint8)
    decoded = decode(memoryview(theirs.data), rows=2, columns=4)
    assert not np.shares_memory(decoded, theirs)
