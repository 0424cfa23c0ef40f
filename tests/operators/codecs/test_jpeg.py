"""JPEG: Pillow and liblj92 as second decoders; colour by marker, then tag; cut, lying and foreign codestreams."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.operators.codecs.jpeg_markers import read_jpeg_header
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.frames import describing

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASELINE, EXTENDED, LOSSLESS = (f"1.2.840.10008.1.2.4.{tail}" for tail in (50, 51, 70))
ADOBE = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0"
JFIF = b"\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def decode(pixels: NDArray[Any], data: bytes, uid: str = BASELINE, **tags: Any) -> DecodedFrame:
    return decode_frame(EncodedFrame(describing(pixels, uid, **tags), data))


def bare(codestream: bytes) -> bytes:
    """Without its application markers, which say what the colours are."""
    position = 2
    while codestream[position + 1] in (*range(0xE0, 0xF0), 0xFE):
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
    return codestream[:2] + codestream[position:]


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """Smooth colours, so that the codec's own loss stays small."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """The picture as YCbCr with a JFIF marker, from Pillow."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()


def test_colour_comes_out_as_rgb(picture: NDArray[np.uint8], jpeg: bytes) -> None:
    frame = decode(picture, jpeg, photometric_interpretation="YBR_FULL_422")
    assert frame.photometric_interpretation == "RGB"
    assert np.abs(frame.pixels.astype(int) - np.asarray(Image.open(io.BytesIO(jpeg)))).max() <= 1
    assert convert_to_rgb(frame) is frame


@pytest.mark.parametrize(
    ("markers", "tag", "is_ycbcr"),
    [
        (ADOBE + b"\1", "RGB", True),  # a valid Adobe marker decides …
        (ADOBE + b"\0", "YBR_FULL", False),
        (ADOBE + b"\0" + JFIF, "YBR_FULL", False),
        (JFIF, "RGB", True),  # … then JFIF …
        (JFIF + ADOBE + b"\7", "RGB", True),
        (b"", "RGB", False),  # … then the tag
        (b"", "YBR_FULL_422", True),
        (b"\xff\xee\x00\x08Adobe\0", "RGB", False),  # too short to be valid
    ],
)
def test_marker_before_tag(picture: NDArray[np.uint8], jpeg: bytes, markers: bytes, tag: str, is_ycbcr: bool) -> None:
    stripped = bare(jpeg)
    pixels = decode(picture, stripped[:2] + markers + stripped[2:], photometric_interpretation=tag).pixels
    expected = Image.open(io.BytesIO(jpeg))
    expected.draft("YCbCr" if not is_ycbcr else "RGB", expected.size)
    assert np.abs(pixels.astype(int) - np.asarray(expected)).max() <= 1


def test_grey_baseline_in_16_allocated_bits() -> None:
    pixels = np.tile(np.arange(64, dtype=np.uint8) * 3, (16, 1))
    data = bytes(imagecodecs.jpeg8_encode(pixels, level=95))
    decoded = decode(pixels, data, bits_allocated=16, bits_stored=8).pixels
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, np.asarray(Image.open(io.BytesIO(data))))


def test_12_bit_lossy_is_near_what_was_encoded() -> None:
    pixels = np.tile(np.arange(64, dtype=np.uint16) * 60, (16, 1))
    data = bytes(imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=12))
    decoded = decode(pixels, data, EXTENDED, bits_stored=12).pixels
    assert np.abs(decoded.astype(int) - pixels).max() <= 8


@given(st.integers(2, 16), st.data())
@settings(max_examples=40, deadline=None)
def test_lossless_round_trip_agrees_with_liblj92(bits: int, data: st.DataObject) -> None:
    dtype = np.uint8 if bits <= 8 else np.uint16
    shape = st.tuples(st.integers(2, 9), st.integers(2, 9))
    pixels = data.draw(arrays(dtype, shape, elements=st.integers(0, (1 << bits) - 1)))
    encoded = bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits))
    assert np.array_equal(decode(pixels, encoded, LOSSLESS, bits_stored=bits).pixels, pixels)
    assert np.array_equal(imagecodecs.ljpeg_decode(encoded), pixels)


def test_lossless_colour_is_not_transformed(picture: NDArray[np.uint8]) -> None:
    data = bytes(imagecodecs.jpeg8_encode(picture, lossless=True))
    for tag in ("RGB", "YBR_FULL"):
        frame = decode(picture, data, LOSSLESS, photometric_interpretation=tag)
        assert frame.photometric_interpretation == tag
        assert np.array_equal(frame.pixels, picture)


def test_signed_lossless_is_sign_extended() -> None:
    pixels = np.array([[-2048, -1], [0, 2047]], np.int16)
    data = bytes(imagecodecs.jpeg8_encode(pixels.view(np.uint16) & 0xFFF, lossless=True, bitspersample=12))
    decoded = decode(pixels, data, LOSSLESS, bits_stored=12).pixels
    assert decoded.dtype == np.int16
    assert np.array_equal(decoded, pixels)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\xff", b"\0\0\0", b"\0" * 4000])
def test_padding_is_allowed(picture: NDArray[np.uint8], jpeg: bytes, padding: bytes) -> None:
    assert decode(picture, jpeg + padding).pixels.shape == picture.shape


def test_every_cut_is_refused(picture: NDArray[np.uint8], jpeg: bytes) -> None:
    for length in range(0, len(jpeg), 7):
        with pytest.raises(DecodeError, match="no end marker"):
            decode(picture, jpeg[:length])


def with_frame_header(codestream: bytes, **values: int) -> bytes:
    """Its frame header (SOF) saying something else."""
    at = codestream.index(b"\xff\xc0") + 4
    precision, rows, columns = struct.unpack_from(">BHH", codestream, at)
    header = {"precision": precision, "rows": rows, "columns": columns} | values
    return codestream[:at] + struct.pack(">BHH", *header.values()) + codestream[at + 5 :]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"rows": 65535, "columns": 65535}, "65535 × 65535 × 3, the data set says 48 × 64 × 3"),
        ({"rows": 47}, "47 × 64 × 3"),
        ({"precision": 12}, "12 bits a sample, Bits Allocated is 8"),
    ],
)
def test_a_frame_header_that_contradicts_the_data_set_is_refused_before_decoding(
    picture: NDArray[np.uint8], jpeg: bytes, header: dict[str, int], message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(picture, with_frame_header(jpeg, **header))


def test_scans_too_short_for_their_frame_are_refused(jpeg: bytes) -> None:
    huge = np.broadcast_to(np.uint8(0), (16000, 16000, 3))
    with pytest.raises(DecodeError, match="cannot hold 16000 × 16000 pixels"):
        decode(huge, with_frame_header(jpeg, rows=16000, columns=16000))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd9", b"\xff\xd8\xff\xd9", b"garbage\xff\xd9", b"\xff\xd8\xff\xda\0\2\xff\xd9"]
)
def test_what_is_no_jpeg_is_refused(picture: NDArray[np.uint8], data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(picture, data)


def test_jpeg_ls_under_a_jpeg_transfer_syntax_is_refused(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(DecodeError, match="the codestream is JPEG-LS"):
        decode(picture, bytes(imagecodecs.jpegls_encode(picture)))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_flipped_bytes_give_a_picture_of_the_right_shape_or_a_decode_error(
    picture: NDArray[np.uint8], jpeg: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(jpeg)
    for _ in range(4):
        damaged[data.draw(st.integers(0, len(jpeg) - 3))] = data.draw(st.integers(0, 255))
    try:
        assert decode(picture, bytes(damaged)).pixels.shape == picture.shape
    except DecodeError:
        return


@given(st.binary(max_size=200))
def test_headers_of_garbage_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_jpeg_header(b"\xff\xd8" + data)
