"""Where a caller wants pixels: in memory of its own, such as a slice of a volume, or in another dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


class PixelTarget:
    """The memory, or the dtype, in which the pixels of one image are wanted.

    Args:
        out: Rows × columns, or rows × columns × 3, writable; any strides.
        dtype: Of the pixels where there is no `out`; beside it, its dtype.

    Raises:
        ValueError: `out` cannot be written to, or has another dtype than `dtype`.
    """

    __slots__ = ("dtype", "out")

    def __init__(self, out: NDArray[np.generic] | None = None, dtype: DTypeLike | None = None) -> None:
        if out is not None and not out.flags.writeable:
            raise ValueError("`out` is read-only")
        if out is not None and dtype is not None and out.dtype != np.dtype(dtype):
            raise ValueError(f"`out` is of {out.dtype}, not of {np.dtype(dtype)}")
        self.out = out
        self.dtype: np.dtype[np.generic] | None = None if dtype is None else np.dtype(dtype)

    def memory_for(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> NDArray[np.generic] | None:
        """`out` as a decoder can write into it that wants an array of its own dtype; `None` where it cannot."""
        out = self.out
        if out is None or out.shape != shape or not out.flags.c_contiguous or not out.dtype.isnative:
            return None
        if out.dtype.kind not in "iu" or dtype.kind not in "iu":
            return out if out.dtype == dtype else None
        return out.view(dtype) if out.dtype.itemsize == dtype.itemsize else None

    def place(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """The pixels where they are wanted: they are copied once, unless they are there already.

        Raises:
            DecodeError: `out` has another shape, or its dtype cannot hold one of the values.
        """
        out = self.out
        if out is None:
            with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is found afterwards
                return _checked(pixels.astype(self.dtype or pixels.dtype, copy=False), pixels)
        if out.shape != pixels.shape:
            raise DecodeError(f"`out` has the shape {out.shape}, the image has {pixels.shape}")
        if not _is_same(out, pixels):
            with np.errstate(over="ignore", invalid="ignore"):
                np.copyto(out, pixels, casting="unsafe")
            _checked(out, pixels)
        return out.view()  # an image's pixels are read-only; the caller's array stays as it is


def targets_of(count: int, out: NDArray[np.generic] | None = None, dtype: DTypeLike | None = None) -> list[PixelTarget]:
    """The targets of a series: `out[i]` is that of the i-th image.

    Raises:
        ValueError: `out` has another length than the series, is read-only, or not of `dtype`.
    """
    if out is None:
        return [PixelTarget(dtype=dtype)] * count
    if len(out) != count:
        raise ValueError(f"`out` has {len(out)} places for {count} images")
    return [PixelTarget(place, dtype) for place in out]


def _is_same(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    same_place = one.__array_interface__["data"][0] == other.__array_interface__["data"][0]
    return same_place and one.strides == other.strides and one.dtype == other.dtype


def _checked(placed: NDArray[np.generic], pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Refuse a dtype that changed a value; a narrower float may round it."""
    if np.can_cast(pixels.dtype, placed.dtype, "safe"):
        return placed
    if pixels.dtype.kind == placed.dtype.kind == "f":
        fits = np.array_equal(np.isfinite(placed), np.isfinite(pixels))
    else:
        fits = np.array_equal(placed, pixels)
    if not fits:
        raise DecodeError(f"pixels of {pixels.dtype} from {pixels.min()} to {pixels.max()} do not fit {placed.dtype}")
    return placed
