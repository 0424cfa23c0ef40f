"""What a data set says about the samples of a frame, checked before anything is allocated (PS3.3 C.7.6.3, PS3.5 8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError

if TYPE_CHECKING:
    from cornerstream.images.limits import Limits
    from cornerstream.images.metadata import FrameMetadata

_FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}  # PS3.5 8.2: always native, one sample a pixel
_UNSIGNED, _SIGNED = ({size: np.dtype(f"{kind}{size}") for size in (1, 2, 4)} for kind in "ui")


def check_description(metadata: FrameMetadata, limits: Limits) -> None:
    """Refuse a description that contradicts itself or is too large.

    Raises:
        DecodeError: Rows, columns, samples or bits cannot be.
        LimitError: Rows × columns is above `limits.frame_pixels`.
    """
    if not (1 <= metadata.rows <= 0xFFFF and 1 <= metadata.columns <= 0xFFFF):
        raise DecodeError(
            f"a frame of {metadata.rows} × {metadata.columns} pixels cannot be; rows and columns are 1 to 65535"
        )
    if metadata.rows * metadata.columns > limits.frame_pixels:
        raise LimitError(
            f"a frame of {metadata.rows} × {metadata.columns} pixels is above the limit frame_pixels={limits.frame_pixels}"
        )
    if metadata.samples_per_pixel not in (1, 3):
        raise DecodeError(f"Samples per Pixel is {metadata.samples_per_pixel}; 1 and 3 can be decoded")
    if metadata.pixel_keyword in _FLOATS:
        _check_float(metadata)
    else:
        _check_bits(metadata)


def frame_shape(metadata: FrameMetadata) -> tuple[int, ...]:
    """Rows × columns, or rows × columns × samples."""
    size = metadata.rows, metadata.columns
    return size if metadata.samples_per_pixel == 1 else (*size, metadata.samples_per_pixel)


def sample_count(metadata: FrameMetadata) -> int:
    """Samples of one frame, chroma not subsampled."""
    return metadata.rows * metadata.columns * metadata.samples_per_pixel


def stored_dtype(metadata: FrameMetadata) -> np.dtype[np.generic]:
    """The one dtype of stored values under a description, in the machine's byte order.

    Bits Allocated and Pixel Representation decide, so that a whole series has one dtype.
    """
    if metadata.pixel_keyword in _FLOATS:
        return np.dtype(f"f{_FLOATS[metadata.pixel_keyword] // 8}")
    return (_SIGNED if metadata.pixel_representation else _UNSIGNED)[container_bytes(metadata)]


def container_bytes(metadata: FrameMetadata) -> int:
    """Bytes of the smallest integer that holds Bits Allocated: 1, 2 or 4."""
    return 1 if metadata.bits_allocated <= 8 else 2 if metadata.bits_allocated <= 16 else 4


def is_float(metadata: FrameMetadata) -> bool:
    """The pixels are Float or Double Float Pixel Data."""
    return metadata.pixel_keyword in _FLOATS


def _check_float(metadata: FrameMetadata) -> None:
    bits = _FLOATS[metadata.pixel_keyword]
    if metadata.bits_allocated != bits or metadata.samples_per_pixel != 1:
        raise DecodeError(f"{metadata.pixel_keyword} has {bits} bits and 1 sample a pixel (PS3.3 C.7.6.24)")


def _check_bits(metadata: FrameMetadata) -> None:
    allocated, stored, high = metadata.bits_allocated, metadata.bits_stored, metadata.high_bit
    if allocated not in (1, 8, 12, 16, 32) or (allocated in (1, 12) and metadata.samples_per_pixel != 1):
        raise DecodeError(
            f"Bits Allocated is {allocated}; 8, 16 and 32 can be decoded, and 1 and 12 of one sample a pixel"
        )
    if not (1 <= stored <= high + 1 <= allocated):  # PS3.5 8.1.1: the stored bits lie within the allocated ones
        raise DecodeError(f"Bits Allocated {allocated}, Bits Stored {stored} and High Bit {high} contradict each other")
    if metadata.pixel_representation not in (0, 1):
        raise DecodeError(f"Pixel Representation is {metadata.pixel_representation}; it is 0 or 1")
