"""Decoders write into the caller's memory: no further copy of a frame is made on the way."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.images.pixel_target import PixelTarget
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import samples

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame

SAMPLES = samples()
# What these decode is put together from planes, or checked and converted, before it is written.
COPIED = {
    "jpegls-planes",
    "rle-8",
    "rle-16",
    "rle-colour",
    "jpegxl-16",
    "jpegxl-colour",
    "jpegxl-boxes",
    "jpegxl-of-jpeg",
    "jpegxl-lossy",
}


def placed(frame: EncodedFrame) -> tuple[DecodedFrame, np.ndarray[tuple[int, ...], np.dtype[np.generic]], int]:
    """A frame decoded into a slice of a volume, the volume, and the most memory that numpy took meanwhile."""
    usual = decode_frame(frame).pixels
    volume = np.zeros((3, *usual.shape), usual.dtype)
    with_target = replace(frame, target=PixelTarget(volume[1]))
    decode_frame(with_target)  # whatever is made once, is made
    volume[:] = 0
    tracemalloc.start()
    try:
        decoded = decode_frame(with_target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return decoded, volume, peak


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_same_pixels_come_into_the_callers_memory(name: str) -> None:
    decoded, volume, peak = placed(SAMPLES[name])
    usual = decode_frame(SAMPLES[name]).pixels
    assert decoded.pixels.dtype == usual.dtype
    assert np.array_equal(decoded.pixels, usual)
    assert not volume[0].any()
    assert not volume[2].any()
    if decoded.pixels.ndim == 2 or name not in COPIED:
        assert np.shares_memory(decoded.pixels, volume)
        assert np.array_equal(volume[1], usual)
    if name not in COPIED | {"deflated"}:
        assert peak < usual.nbytes // 2 + 20_000


@pytest.mark.parametrize("name", ["native", "j2k-signed", "jpeg-lossless-16", "rle-16", "jpegxl-16"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int16])
def test_other_dtypes_and_strides(name: str, dtype: type[np.generic]) -> None:
    frame = SAMPLES[name]
    usual = decode_frame(frame).pixels
    out = np.zeros((*usual.shape, 2), dtype)[:, ::-1, 1]
    if np.can_cast(usual.dtype, dtype) or usual.max() <= np.iinfo(np.int16).max:
        decoded = decode_frame(replace(frame, target=PixelTarget(out)))
        assert np.array_equal(out, usual)
        assert np.shares_memory(decoded.pixels, out)
        assert decode_frame(replace(frame, target=PixelTarget(dtype=dtype))).pixels.dtype == dtype
    else:
        with pytest.raises(DecodeError, match="do not fit int16"):
            decode_frame(replace(frame, target=PixelTarget(out)))


def test_memory_of_another_shape_is_refused() -> None:
    frame = SAMPLES["native"]
    out = np.zeros((frame.metadata.rows, frame.metadata.columns + 1), np.uint16)
    with pytest.raises(DecodeError, match="`out` has the shape"):
        decode_frame(replace(frame, target=PixelTarget(out)))
    assert not out.any()


def test_native_words_of_fewer_bits_are_masked_into_it_and_their_source_stays() -> None:
    words = np.arange(0xF000, 0xF000 + 64, dtype="<u2").reshape(8, 8)
    data = words.tobytes()
    frame = SAMPLES["native"]
    metadata = replace(frame.metadata, rows=8, columns=8, bits_stored=12, high_bit=11, pixel_representation=1)
    volume = np.zeros((2, 8, 8), np.int16)
    decoded = decode_frame(replace(frame, metadata=metadata, data=data, target=PixelTarget(volume[1])))
    assert np.array_equal(volume[1], words & 0xFFF)
    assert np.shares_memory(decoded.pixels, volume)
    assert data == words.tobytes()
