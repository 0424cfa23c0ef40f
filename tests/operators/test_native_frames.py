"""Native frames that do not begin at a byte, and words in the other order: pydicom's arrays are the oracle."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydicom import dcmread

from cornerstream.images.errors import SplitError
from cornerstream.operators.frame_part import encoded_frame
from cornerstream.operators.native_frames import NativeLayout, native_layout, packed_lengths, take_bits
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.parts import Part
from cornerstream.operators.split_frames import split_part10
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, JPEG, native


@given(st.binary(min_size=1, max_size=40), st.data())
@hypothesis_settings(max_examples=80, deadline=None)
def test_bits_come_out_as_they_are_in_the_stream(data: bytes, draw: st.DataObject) -> None:
    first = draw.draw(st.integers(0, 8 * len(data) - 1))
    count = draw.draw(st.integers(1, 8 * len(data) - first))
    stream = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    wanted = np.packbits(stream[first : first + count], bitorder="little").tobytes()
    assert take_bits(data, first, count) == wanted


@pytest.mark.parametrize("uid", [EXPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (7, 3), (1, 1), (4, 4)])
def test_one_bit_frames_begin_at_their_first_bit(uid: str, rows: int, columns: int) -> None:
    frames, size = 5, rows * columns
    bits = np.random.default_rng(1).integers(0, 2, frames * size, np.uint8)
    pixels = np.packbits(bits, bitorder="little").tobytes()
    pixels += b"\0" * (len(pixels) % 2)
    vr = "OB" if uid == EXPLICIT else "OW"
    written = pixels if uid == EXPLICIT else np.frombuffer(pixels, "<u2").astype(">u2").tobytes()
    body = native(
        written, uid, vr, Rows=rows, Columns=columns, BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=frames
    )
    for index, frame in enumerate(split_part10(body)):
        found = np.unpackbits(np.frombuffer(frame.data, np.uint8), count=size, bitorder="little")
        np.testing.assert_array_equal(found, bits[index * size : (index + 1) * size])
        assert frame.nbytes == -(-size // 8)


def test_twelve_bit_frames_begin_at_their_first_bit() -> None:
    values = np.arange(0xA01, 0xA01 + 2 * 15, dtype=np.uint16)
    bits = (values[:, None] >> np.arange(12)) & 1
    pixels = np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes() + b"\0"
    body = native(pixels, vr="OW", Rows=3, Columns=5, BitsAllocated=12, BitsStored=12, HighBit=11, NumberOfFrames=2)
    for index, frame in enumerate(split_part10(body)):
        stream = np.unpackbits(np.frombuffer(frame.data, np.uint8), count=180, bitorder="little").reshape(15, 12)
        found = (stream.astype(np.uint16) << np.arange(12, dtype=np.uint16)).sum(axis=1)
        np.testing.assert_array_equal(found, values[index * 15 : (index + 1) * 15])


def test_big_endian_words_of_bytes_are_put_in_order_across_odd_frames() -> None:
    pixels = bytes(range(1, 28)) + b"\0"
    swapped = np.frombuffer(pixels, "<u2").astype(">u2").tobytes()
    frames = split_part10(native(swapped, BIG_ENDIAN, "OW", Rows=3, Columns=3, NumberOfFrames=3))
    assert [frame.data for frame in frames] == [pixels[:9], pixels[9:18], pixels[18:27]]
    assert not any(frame.metadata.pixel_vr_is_ow for frame in frames)
    as_bytes = split_part10(native(pixels, BIG_ENDIAN, "OB", Rows=3, Columns=3, NumberOfFrames=3))
    assert [frame.data for frame in as_bytes] == [pixels[:9], pixels[9:18], pixels[18:27]]


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm", "SC_rgb_small_odd_big_endian.dcm"])
def test_bundled_files(name: str) -> None:
    path = Path(pydicom.data.__file__).parent / "test_files" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = dcmread(path).pixel_array
    (frame,) = split_part10(path.read_bytes())
    found = np.frombuffer(frame.data, np.uint8)
    if frame.metadata.bits_allocated == 1:
        found = np.unpackbits(found, count=wanted.size, bitorder="little")
    np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


def test_places_of_neighbours_share_a_byte() -> None:
    layout = NativeLayout(100, 15)
    assert [layout.place(index) for index in range(3)] == [(100, 2), (101, 3), (103, 3)]
    assert NativeLayout(100, 72, swapped_words=True).place(1) == (108, 10)


def test_short_pixel_data_is_refused_before_it_is_read() -> None:
    header = parse_header(native(bytes(6)))
    with pytest.raises(SplitError, match="PixelData has 6 bytes, but 1 × 2 × 4 pixels need 8"):
        native_layout(header)


COLOUR: dict[str, Any] = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "YBR_FULL_422"}


def test_lengths_of_subsampled_frames() -> None:
    assert packed_lengths(4, 6) == (48,)
    assert packed_lengths(4, 5) == (48, 40)
    assert packed_lengths(3, 5) == (36,)


@pytest.mark.parametrize("frame_bytes", [48, 40])
def test_frames_of_odd_columns_and_shared_chroma_are_as_long_as_the_element_proves(frame_bytes: int) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, 3 * frame_bytes, np.uint8).tobytes()
    frames = split_part10(native(pixels, Rows=4, Columns=5, NumberOfFrames=3, **COLOUR))
    assert [frame.data for frame in frames] == [pixels[i : i + frame_bytes] for i in range(0, len(pixels), frame_bytes)]


@pytest.mark.parametrize("length", [98, 100, 122])
def test_odd_columns_and_shared_chroma_of_neither_length_are_refused(length: int) -> None:
    with pytest.raises(SplitError, match="this is neither"):
        split_part10(native(bytes(length), Rows=4, Columns=5, NumberOfFrames=2, **COLOUR))


@pytest.mark.parametrize("frame_bytes", [48, 40])
def test_a_part_of_either_length_is_recognised_as_native(frame_bytes: int) -> None:
    """The metadata call the instance compressed, and the server sends its pixels: only the length proves that."""
    metadata = parse_header(native(bytes(48), Rows=4, Columns=5, **COLOUR)).metadata
    stored = replace(metadata, shared=replace(metadata.shared, transfer_syntax_uid=JPEG))
    frame = encoded_frame(Part({"content-type": "application/octet-stream"}, bytes(frame_bytes)), stored, 1)
    assert frame.metadata.transfer_syntax_uid == EXPLICIT


def test_three_bytes_a_pixel_are_not_subsampled() -> None:
    for columns in (5, 6):
        with pytest.raises(SplitError, match="three bytes a pixel"):
            split_part10(native(bytes(4 * columns * 3), Rows=4, Columns=columns, **COLOUR))
