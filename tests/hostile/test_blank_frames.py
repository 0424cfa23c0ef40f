"""Honest frames that compress extremely well decode: no guard goes by the ratio alone."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.codecs.jpeg_markers import read_jpeg_header
from cornerstream.operators.decompress import decode_frame
from tests.support.frames import describing, metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

UID = "1.2.840.10008.1.2."


def jpeg2000(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, reversible=True))


def htj2k(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.htj2k_encode(pixels, reversible=True))


def jpegxl(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, numthreads=1))


def jpegls(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpegls_encode(pixels))


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, optimize=True))


def jpeg_lossless(pixels: NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True))


def progressive(pixels: NDArray[np.uint8], **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", progressive=True, optimize=True, **options)
    return stream.getvalue()


def rle(pixels: NDArray[np.uint8]) -> bytes:
    row = bytes([257 - 128, int(pixels[0, 0])]) * (pixels.size // 128)
    return b"\1\0\0\0\x40\0\0\0" + bytes(56) + row


def deflated(pixels: NDArray[np.uint8]) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(pixels.tobytes()) + deflater.flush()


def check(blank: NDArray[np.uint8], data: bytes, tail: str, prefer: str | None) -> None:
    """It decodes as what it is, and is refused as what it is not."""
    decoded = decode_frame(EncodedFrame(describing(blank, UID + tail), data), prefer).pixels
    assert np.array_equal(decoded, blank)
    other = metadata(UID + tail, len(blank), len(blank) + 1)
    with pytest.raises(DecodeError):
        decode_frame(EncodedFrame(other, data), prefer)


def test_a_blank_jpeg_2000_frame_of_64_mb_in_336_bytes() -> None:
    blank = np.zeros((8000, 8000), np.uint8)
    data = jpeg2000(blank)
    assert blank.nbytes // len(data) > 190_000
    check(blank, data, "4.90", None)


@pytest.mark.parametrize(
    ("tail", "encode", "ratio", "prefer"),
    [
        ("4.90", jpeg2000, 20_000, "pylibjpeg-openjpeg"),
        ("4.201", htj2k, 600, None),
        ("4.201", htj2k, 600, "imagecodecs"),
        ("4.110", jpegxl, 6_000, None),
        ("4.80", jpegls, 15_000, None),
        ("5", rle, 63, None),
        ("5", rle, 63, "pylibjpeg-rle"),
        ("8.1", deflated, 1_000, None),
        ("4.50", jpeg, 200, None),
        ("4.55", progressive, 200, None),
        ("4.70", jpeg_lossless, 7, None),
    ],
)
def test_a_blank_frame_of_every_codec(
    tail: str, encode: Callable[[NDArray[np.uint8]], bytes], ratio: int, prefer: str | None
) -> None:
    blank = np.zeros((2560, 2560), np.uint8)
    data = encode(blank)
    assert blank.nbytes // len(data) >= ratio
    check(blank, data, tail, prefer)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("side", [1, 8, 17, 640])
def test_blank_jpegs_of_every_subsampling(subsampling: int, side: int) -> None:
    blank = np.zeros((side, side + 1, 3), np.uint8)
    for options in ({"progressive": True}, {"progressive": False}):
        stream = io.BytesIO()
        Image.fromarray(blank).save(stream, "JPEG", optimize=True, subsampling=subsampling, **options)
        frame = EncodedFrame(describing(blank, UID + "4.50"), stream.getvalue())
        assert not decode_frame(frame).pixels.any()


def test_what_a_frame_needs_at_least_is_counted_in_its_own_blocks() -> None:
    """4:2:0 of 17 × 18 pixels: 3 × 3 blocks of luma, and 2 × 2 of 9 × 9 samples of each chroma."""
    blank = np.zeros((17, 18, 3), np.uint8)
    assert read_jpeg_header(progressive(blank, subsampling=2)).units == 9 + 2 * 4
    assert read_jpeg_header(bytes(imagecodecs.jpeg8_encode(blank, lossless=True))).units == 17 * 18 * 3
