"""Lossless codecs give back what was encoded: every number of bits, sign, number of samples and odd size."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.codecs.description import stored_dtype
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import encode_rle
from tests.support.frames import describing, metadata
from tests.support.trials import decoders_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Encoder = Callable[[NDArray[Any], int], bytes]

UID = "1.2.840.10008.1.2."
SHAPES = [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (3, 5), (17, 16), (33, 31)]


def jpeg_lossless(words: NDArray[Any], bits: int) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(words, lossless=True, predictor=1 + bits % 7, bitspersample=max(bits, 2)))


def jpegls(words: NDArray[Any], _bits: int) -> bytes:
    return bytes(imagecodecs.jpegls_encode(words))


def jpeg2000(words: NDArray[Any], bits: int) -> bytes:
    options: dict[str, Any] = {"codecformat": "j2k", "level": 0, "reversible": True, "bitspersample": bits}
    return bytes(imagecodecs.jpeg2k_encode(words, **options))


def htj2k(words: NDArray[Any], _bits: int) -> bytes:
    return bytes(imagecodecs.htj2k_encode(words, reversible=True))


def jpegxl(words: NDArray[Any], bits: int) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(words, lossless=True, effort=1, numthreads=1, bitspersample=bits))


def rle(words: NDArray[Any], _bits: int) -> bytes:
    return encode_rle(words)


def deflated(words: NDArray[Any], _bits: int) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(words.tobytes()) + deflater.flush()


def native(words: NDArray[Any], _bits: int) -> bytes:
    return words.tobytes()


CODECS = {
    UID + "4.57": jpeg_lossless,
    UID + "4.70": jpeg_lossless,
    UID + "4.80": jpegls,
    UID + "4.90": jpeg2000,
    UID + "4.201": htj2k,
    UID + "4.110": jpegxl,
    UID + "5": rle,
    UID + "8.1": deflated,
    UID + "1": native,
}


@st.composite
def encodable(draw: st.DrawFn) -> tuple[NDArray[Any], int]:
    """Values in the smallest container for their bits, signed or not, grey or colour; and how many bits they use."""
    bits, signed = draw(st.integers(1, 16)), draw(st.booleans())
    shape = draw(st.sampled_from(SHAPES)) + ((3,) if draw(st.booleans()) else ())
    dtype = np.dtype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")
    least, most = (-1 << bits - 1, (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    ends = arrays(dtype, shape, elements=st.sampled_from(sorted({least, 0, most})))
    return draw(ends if draw(st.booleans()) else arrays(dtype, shape, elements=st.integers(least, most))), bits


@pytest.mark.parametrize("uid", CODECS)
@given(encodable())
@settings(max_examples=30, deadline=None)
def test_what_was_encoded_comes_back_from_every_decoder(uid: str, frame: tuple[NDArray[Any], int]) -> None:
    pixels, bits = frame
    words = pixels.view(f"u{pixels.itemsize}") & ((1 << bits) - 1)
    described = describing(pixels, uid, bits_stored=bits)
    encoded = EncodedFrame(described, CODECS[uid](words.astype(f"u{pixels.itemsize}"), bits))
    for decoder in decoders_of(encoded):
        decoded = decode_frame(encoded, decoder).pixels
        assert decoded.dtype == pixels.dtype
        assert np.array_equal(decoded, pixels)


@pytest.mark.parametrize("uid", CODECS)
@pytest.mark.parametrize("shape", [(65_535, 1), (1, 65_535), (65_535, 2), (1, 65_500)])
def test_the_longest_sides_there_are(uid: str, shape: tuple[int, int]) -> None:
    pixels = (np.arange(shape[0] * shape[1]) % 251).astype(np.uint8).reshape(shape)
    try:
        data = CODECS[uid](pixels, 8)
    except (imagecodecs.Jpeg8Error, RuntimeError):  # libjpeg ends at 65,500
        assert CODECS[uid] is jpeg_lossless
        return
    frame = EncodedFrame(describing(pixels, uid), data)
    for decoder in decoders_of(frame):
        assert np.array_equal(decode_frame(frame, decoder).pixels, pixels)


@pytest.mark.parametrize("uid", [UID + "4.90", UID + "4.201"])
@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_signed_colour_in_jpeg_2000(uid: str, dtype: type[np.signedinteger[Any]]) -> None:
    """Decoders that offset signed samples, or refuse them, are known; the colour transform is on differences."""
    limits = np.iinfo(dtype)
    pixels = np.random.default_rng(3).integers(limits.min, limits.max, (20, 22, 3), dtype, endpoint=True)
    data = htj2k(pixels, 0) if uid.endswith("201") else jpeg2000(pixels, limits.bits)
    frame = EncodedFrame(describing(pixels, uid, photometric_interpretation="YBR_RCT"), data)
    for decoder in decoders_of(frame):
        decoded = decode_frame(frame, decoder)
        assert decoded.photometric_interpretation == "RGB"
        assert decoded.pixels.dtype == dtype
        assert np.array_equal(decoded.pixels, pixels)


@given(
    st.sampled_from(sorted(CODECS)),
    st.sampled_from([8, 16, 32]),
    st.integers(0, 31),
    st.integers(0, 31),
    st.booleans(),
    encodable(),
)
@settings(max_examples=150, deadline=None)
def test_one_description_one_dtype(
    uid: str, allocated: int, stored: int, high: int, signed: bool, frame: tuple[NDArray[Any], int]
) -> None:
    """Whatever the codestream holds: the dtype is the description's, or there is no image."""
    pixels, bits = frame
    words = pixels.view(f"u{pixels.itemsize}") & ((1 << bits) - 1)
    high %= allocated
    described = metadata(
        uid,
        *pixels.shape[:2],
        samples_per_pixel=pixels.ndim * 2 - 3,
        bits_allocated=allocated,
        bits_stored=stored % (high + 1) + 1,
        high_bit=high,
        pixel_representation=int(signed),
    )
    encoded = EncodedFrame(described, CODECS[uid](words.astype(f"u{pixels.itemsize}"), bits))
    for decoder in decoders_of(encoded):
        try:
            decoded = decode_frame(encoded, decoder)
        except DecodeError:
            assert allocated != 8 * pixels.itemsize, "nothing contradicts anything"
            continue
        assert decoded.pixels.dtype == stored_dtype(described) == f"{'i' if signed else 'u'}{allocated // 8}"
