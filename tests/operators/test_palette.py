"""Lookup tables: pydicom's expansion and application are the oracle."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import _expand_segmented_lut

from cornerstream.images.errors import DecodeError
from cornerstream.operators.palette import expand_segments, lookup_table


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def test_plain_table_of_words() -> None:
    table = lookup_table((4, -2, 16), words(0, 256, 65535, 7))
    assert table.values.tolist() == [0, 256, 65535, 7]
    assert table.values.dtype == np.uint16
    assert (table.first_value, table.bits) == (-2, 16)
    assert not table.values.flags.writeable


@pytest.mark.parametrize("entries", [4, 3, 1])
def test_plain_table_of_bytes_with_and_without_padding(entries: int) -> None:
    data = bytes(range(10, 10 + entries))
    table = lookup_table((entries, 0, 8), data + b"\0" * (entries % 2))
    assert table.values.tolist() == list(data)
    assert table.values.dtype == np.uint8
    assert table.bits == 8


def test_8_bit_entries_one_to_a_word_are_bytes() -> None:
    table = lookup_table((3, 0, 8), words(1, 255, 3))
    assert table.values.dtype == np.uint8
    assert table.values.tolist() == [1, 255, 3]


def test_16_bit_entries_under_an_8_bit_descriptor_are_kept() -> None:
    table = lookup_table((3, 0, 8), words(1, 256, 3))
    assert table.values.tolist() == [1, 256, 3]
    assert table.bits > 8


def test_zero_entries_mean_65536() -> None:
    values = np.arange(65536, dtype="<u2")
    assert np.array_equal(lookup_table((0, 0, 16), values.tobytes()).values, values)


def test_big_endian_words() -> None:
    assert lookup_table((2, 0, 16), b"\x01\x02\x03\x04", big_endian=True).values.tolist() == [0x0102, 0x0304]
    assert lookup_table((4, 0, 8), b"\x01\x02\x03\x04", big_endian=True).values.tolist() == [2, 1, 4, 3]


def test_big_endian_segments() -> None:
    segments = words(0, 2, 100, 200)
    swapped = np.frombuffer(segments, "<u2").astype(">u2").tobytes()
    assert lookup_table((2, 0, 16), swapped, segmented=True, big_endian=True).values.tolist() == [100, 200]


@pytest.mark.parametrize("name", ["red", "green", "blue"])
def test_a_bundled_palette_equals_what_pydicom_reads(name: str) -> None:
    data_set = dcmread(str(get_testdata_file("examples_palette.dcm")))
    descriptor = data_set[f"{name.title()}PaletteColorLookupTableDescriptor"].value
    data = data_set[f"{name.title()}PaletteColorLookupTableData"].value
    assert np.array_equal(lookup_table(descriptor, data).values, np.frombuffer(data, "<u2"))


discrete = st.lists(st.integers(0, 255), min_size=1, max_size=12).map(lambda values: [0, len(values), *values])
linear = st.tuples(st.integers(1, 40), st.integers(0, 255)).map(lambda pair: [1, *pair])


@given(discrete, st.lists(discrete | linear, max_size=8), st.sampled_from([8, 16]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_segments_expand_as_pydicom_expands_them(
    first: list[int], rest: list[list[int]], bits: int, repeat: bool
) -> None:
    fields = [*first, *(value for segment in rest for value in segment)]
    if repeat:  # an indirect segment that copies everything so far; offset 0 is the same in bytes and in fields
        fields += [2, 1 + len(rest), *([0] * (4 if bits == 8 else 2))]
    fmt = f"<{len(fields)}{'B' if bits == 8 else 'H'}"
    expected = _expand_segmented_lut(tuple(fields), fmt)
    ours = expand_segments(len(expected), bits, struct.pack(fmt, *fields)).tolist()
    # Halfway between two integers pydicom goes up or down by the noise of its floats.
    assert np.abs(np.subtract(ours, expected)).max() <= 1


@given(st.integers(0, 255), st.integers(1, 60), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_linear_segment_has_the_nearest_integers(first: int, length: int, last: int) -> None:
    ours = expand_segments(1 + length, 8, bytes([0, 1, first, 1, length, last])).tolist()
    exact = [first + Fraction((last - first) * step, length) for step in range(length + 1)]
    assert ours == [math.floor(value + Fraction(1, 2)) for value in exact]


def test_an_indirect_segment_counts_its_offset_in_bytes() -> None:
    # two discrete segments of 3 fields (6 bytes) each, then: copy one segment from byte 6
    data = words(0, 1, 11, 0, 1, 22, 2, 1, 6, 0)
    assert expand_segments(3, 16, data).tolist() == [11, 22, 22]


def test_padding_behind_the_segments_is_ignored() -> None:
    assert expand_segments(1, 8, bytes([0, 1, 9, 0])).tolist() == [9]


@pytest.mark.parametrize(
    ("entries", "data"),
    [
        (2, words(0, 3, 1, 2, 3)),  # more than the descriptor says
        (4, words(0, 3, 1, 2, 3)),  # fewer
        (3, words(0, 3, 1, 2)),  # cut
        (1, words(1, 1, 5)),  # linear first
        (1, words(0, 0, 5)),  # empty
        (1, words(9, 1, 5)),  # no such opcode
        (2, words(0, 1, 5, 2, 1, 6, 0)),  # indirect to indirect
        (2, words(0, 1, 5, 2, 1, 3, 0)),  # indirect between two fields
        (2, words(0, 1, 5, 2, 1, 60000, 60000)),  # indirect to nowhere
        (1, b""),
    ],
)
def test_segments_that_cannot_be_expanded_are_refused(entries: int, data: bytes) -> None:
    with pytest.raises(DecodeError):
        expand_segments(entries, 16, data)


@pytest.mark.parametrize(
    ("descriptor", "data"),
    [
        ((2, 0), b"\0\0"),
        ((2, 0, 17), b"\0\0\0\0"),
        ((2, 0, 0), b"\0\0\0\0"),
        ((-1, 0, 8), b""),
        ((4, 0, 16), words(1, 2, 3)),
        ((4, 0, 8), b"\1\2\3"),
        ((4, 0, 16), b""),
    ],
)
def test_contradicting_descriptors_are_refused(descriptor: tuple[int, ...], data: bytes) -> None:
    with pytest.raises(DecodeError):
        lookup_table(descriptor, data)


def test_odd_big_endian_data_is_refused() -> None:
    with pytest.raises(DecodeError, match="16-bit words"):
        lookup_table((3, 0, 8), b"\1\2\3", big_endian=True)


@given(st.binary(max_size=200), st.sampled_from([8, 16]), st.integers(1, 65536))
@settings(max_examples=100, deadline=None)
def test_garbage_segments_end_in_a_table_of_the_right_size_or_a_decode_error(
    data: bytes, bits: int, entries: int
) -> None:
    try:
        values = expand_segments(entries, bits, data)
    except DecodeError:
        return
    assert len(values) == entries
