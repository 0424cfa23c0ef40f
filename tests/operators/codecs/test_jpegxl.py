"""JPEG XL: round trips through libjxl, sizes read before decoding, cut codestreams."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageCms

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.operators.codecs.guards import CodestreamHeader
from cornerstream.operators.codecs.jpegxl_header import read_basic_info
from cornerstream.operators.decompress import decode_frame
from tests.support.frames import describing

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOSSLESS, RECOMPRESSED, LOSSY = (f"1.2.840.10008.1.2.4.{tail}" for tail in (110, 111, 112))


def encode(pixels: NDArray[Any], container: bool = False) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=container, effort=1, numthreads=1))


def decode(pixels: NDArray[Any], data: bytes, uid: str = LOSSLESS, **tags: Any) -> DecodedFrame:
    return decode_frame(EncodedFrame(describing(pixels, uid, **tags), data))


@given(st.sampled_from(["u1", "u2"]), st.booleans(), st.booleans(), st.data())
@settings(max_examples=30, deadline=None)
def test_lossless_round_trip(dtype: str, colour: bool, container: bool, data: st.DataObject) -> None:
    shape = st.tuples(st.integers(1, 20), st.integers(1, 20), *[st.just(3)] * colour)
    pixels = data.draw(arrays(dtype, shape))
    assert np.array_equal(decode(pixels, encode(pixels, container)).pixels, pixels)


@given(st.integers(1, 600), st.integers(1, 600), st.booleans())
@settings(max_examples=40, deadline=None)
def test_sizes_are_read_as_they_were_written(rows: int, columns: int, container: bool) -> None:
    expected = CodestreamHeader(rows, columns, 1, 8)
    assert read_basic_info(encode(np.zeros((rows, columns), np.uint8), container)) == expected


@pytest.mark.parametrize(
    "size", [(8, 8), (256, 256), (512, 512), (768, 1024), (120, 100), (300, 200), (9, 16), (16, 9)]
)
def test_sizes_with_a_fixed_ratio(size: tuple[int, int]) -> None:
    header = read_basic_info(encode(np.zeros((*size, 3), np.uint16)))
    assert (header.rows, header.columns, header.samples, header.precision) == (*size, 3, 16)


def test_a_recompressed_jpeg_is_rgb() -> None:
    y, x = np.mgrid[0:40, 0:64]
    pixels = np.stack([x * 3, y * 4, x + y], axis=-1).astype(np.uint8)
    jpeg = bytes(imagecodecs.jpeg8_encode(pixels, level=95, subsampling="444"))
    data = bytes(imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True))
    frame = decode(pixels, data, RECOMPRESSED, photometric_interpretation="YBR_FULL_422")
    assert frame.photometric_interpretation == "RGB"
    assert np.abs(frame.pixels.astype(int) - imagecodecs.jpeg8_decode(jpeg)).max() <= 4


def test_lossy_is_near_what_was_encoded() -> None:
    pixels = np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))
    data = bytes(imagecodecs.jpegxl_encode(pixels, distance=0.5, numthreads=1))
    assert np.abs(decode(pixels, data, LOSSY).pixels.astype(int) - pixels).max() <= 16


@pytest.mark.parametrize("container", [False, True])
def test_cut_codestreams_are_refused(container: bool) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (30, 30), np.uint8)
    data = encode(pixels, container)
    for length in range(0, len(data) - 1, len(data) // 30):
        with pytest.raises(DecodeError):
            decode(pixels, data[:length])


def test_sizes_that_contradict_the_data_set_are_refused_before_decoding() -> None:
    data = encode(np.zeros((4, 5), np.uint16))
    with pytest.raises(DecodeError, match="4 × 5 × 1, the data set says 5 × 4 × 1"):
        decode(np.zeros((5, 4), np.uint16), data)
    with pytest.raises(DecodeError, match="16 bits a sample, Bits Allocated is 8"):
        decode(np.zeros((4, 5), np.uint8), data)


@given(st.binary(max_size=60))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_basic_info(b"\0" + data)
    with pytest.raises(DecodeError):
        read_basic_info(b"\x00\x00\x00\x0cJXL \r\n\x87\n" + b"\0" + data)


@pytest.mark.parametrize("shape", [(40, 64), (40, 64, 3)])
def test_an_icc_profile_in_the_codestream_is_read_over(shape: tuple[int, ...]) -> None:
    """A recompressed JPEG keeps its profile; the samples are those without one."""
    pixels = np.add.outer(np.arange(40), np.arange(64)).astype(np.uint8)
    pixels = pixels if len(shape) == 2 else np.stack([pixels, pixels[::-1], pixels[:, ::-1]], axis=-1)
    stream = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"icc_profile": profile} if len(shape) == 3 else {}
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=0, **options)
    data = bytes(imagecodecs.jpegxl_encode_jpeg(stream.getvalue(), usecontainer=False))
    header = read_basic_info(data)
    assert (header.rows, header.columns, header.samples, header.precision) == (40, 64, 3 if len(shape) == 3 else 1, 8)
    decoded = decode(pixels, data, RECOMPRESSED).pixels
    assert np.abs(decoded.astype(int) - np.asarray(Image.open(stream))).max() <= 4
