"""Interlaced PNG: seven small pictures, each decoded by libpng like any other (W3C PNG 8.1).

libpng would interlace by itself, but then imagecodecs writes a warning to the standard error output for every picture.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# First column, first row, and the steps between columns and between rows.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def deinterlaced(
    data: bytes,
    shape: tuple[int, ...],
    pixel_bits: int,
    dtype: np.dtype[np.generic],
    decode: Callable[[int, int, bytes], NDArray[np.generic]],
) -> NDArray[np.generic]:
    """The samples of an interlaced picture.

    Args:
        data: Its IDAT chunks, joined.
        shape: Rows × columns × samples.
        pixel_bits: Bits of all samples of a pixel.
        dtype: Of the samples.
        decode: Decodes rows × columns that are not interlaced, out of their deflated data.

    Raises:
        DecodeError: The data does not inflate to what seven passes take.
    """
    rows, columns = shape[:2]
    sizes = [(_count(rows, y, down), _count(columns, x, across)) for x, y, across, down in _PASSES]
    lengths = [high * (1 + -(-wide * pixel_bits // 8)) if wide else 0 for high, wide in sizes]
    lines = _inflated(data, sum(lengths))
    samples = np.empty(shape, dtype)
    position = 0
    for (x, y, across, down), (high, wide), length in zip(_PASSES, sizes, lengths, strict=True):
        if length:
            stored = zlib.compress(lines[position : position + length], 0)
            samples[y::down, x::across] = decode(high, wide, stored).reshape(high, wide, shape[2])
        position += length
    return samples


def _count(size: int, first: int, step: int) -> int:
    return max(0, -(-(size - first) // step))


def _inflated(data: bytes, size: int) -> memoryview:
    inflater = zlib.decompressobj()
    try:
        lines = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise DecodeError(f"the PNG data does not inflate: {error}") from error
    if len(lines) != size or not inflater.eof:
        raise DecodeError(f"the PNG data does not inflate to the {size} bytes that seven passes take")
    return memoryview(lines)
