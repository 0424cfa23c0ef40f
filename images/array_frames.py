"""An array as frames: each a read-only view of the caller's memory, described as a data set describes its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import ImageIdError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.given_attributes import PIXEL_ATTRIBUTES, check_attributes
from cornerstream.images.metadata import FrameMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_FLOATS = {4: "FloatPixelData", 8: "DoubleFloatPixelData"}  # PS3.3 C.7.6.24, C.7.6.25
_GREY = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFrames:
    """An array and what is known about it.

    Attributes:
        pixels: Frames × rows × columns, or frames × rows × columns × 3; the caller's memory.
        metadata: What all frames share.
        per_frame: What each has of its own; empty where they share all.
    """

    pixels: NDArray[np.generic]
    metadata: FrameMetadata
    per_frame: Sequence[Mapping[str, Any]] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return self.pixels.nbytes

    def frame(self, frame_number: int) -> DecodedFrame:
        """One frame: a view, unless the machine's byte order or 0 and 1 of a bool array ask for a copy.

        Args:
            frame_number: Counts from 1.

        Raises:
            ImageIdError: There is no such frame.
        """
        if frame_number > len(self.pixels):
            raise ImageIdError(f"there is no frame {frame_number}: the array has {len(self.pixels)}, counted from 1")
        own = dict(self.per_frame[frame_number - 1]) if self.per_frame else {}
        pixels = self.pixels[frame_number - 1]
        dtype = np.dtype(np.uint8) if pixels.dtype == np.bool_ else pixels.dtype.newbyteorder("=")
        metadata = self.metadata.changed({"frame_number": frame_number, **own})
        # A view of its own: an image makes its array read-only, which must not touch the caller's.
        return DecodedFrame(metadata, pixels.astype(dtype, copy=False).view(), self.metadata.photometric_interpretation)


def array_frames(
    array: NDArray[np.generic], attributes: Mapping[str, Any], per_frame: Sequence[Mapping[str, Any]] = ()
) -> ArrayFrames:
    """Describe an array.

    Args:
        array: Rows × columns, rows × columns × 3 (RGB), or either with frames in front; a last axis of 3 is colour, unless
            `samples_per_pixel=1` says otherwise. Bool, integers of 8 to 32 bits, float32 and float64; colour of 8 or 16
            bits, unsigned.
        attributes: What is known of all frames, by DICOM keyword in snake case.
        per_frame: What is known of each, one mapping a frame.

    Raises:
        TypeError: Pixels of that dtype cannot be shown, or there is no such attribute.
        ValueError: The array has another shape, or an attribute contradicts it.
    """
    known = check_attributes(attributes, of_pixels=True)
    pixels = _with_frames(array, known.pop("samples_per_pixel", None))
    samples = 3 if pixels.ndim == 4 else 1
    metadata = FrameMetadata(
        **{
            "transfer_syntax_uid": _EXPLICIT_LITTLE_ENDIAN,
            "rows": pixels.shape[1],
            "columns": pixels.shape[2],
            "number_of_frames": len(pixels),
            "samples_per_pixel": samples,
            **_bits(pixels.dtype, samples, known.pop("bits_stored", None)),
            **known,
            "photometric_interpretation": _photometric(known.get("photometric_interpretation"), samples),
        }
    )
    return ArrayFrames(pixels, metadata, _of_frames(per_frame, len(pixels)))


def _with_frames(array: NDArray[np.generic], samples_per_pixel: int | None) -> NDArray[np.generic]:
    """Frames in front, one where there are none."""
    if samples_per_pixel not in (None, 1, 3):
        raise ValueError(f"samples_per_pixel is 1 or 3, not {samples_per_pixel}")
    colour = array.shape[-1:] == (3,) and array.ndim > 2 if samples_per_pixel is None else samples_per_pixel == 3
    if colour and array.shape[-1:] != (3,):
        raise ValueError(f"an array of shape {array.shape} has no last axis of 3 samples")
    axes = 4 if colour else 3
    if array.ndim not in (axes - 1, axes) or not array.size:
        hint = "; leave its alpha channel out: array[..., :3]" if array.shape[-1:] == (4,) else ""
        raise ValueError(
            f"an array of shape {array.shape} is no image: it has rows × columns (× 3), or frames in front of that{hint}"
        )
    return array if array.ndim == axes else array[np.newaxis]


def _bits(dtype: np.dtype[np.generic], samples: int, stored: int | None) -> dict[str, Any]:
    """How a data set describes samples of a dtype (PS3.3 C.7.6.3.1)."""
    size = dtype.itemsize
    if dtype.kind == "f" and size in _FLOATS and samples == 1:
        return {
            "bits_allocated": 8 * size,
            "bits_stored": 8 * size,
            "high_bit": 8 * size - 1,
            "pixel_keyword": _FLOATS[size],
        }
    if dtype.kind not in "biu" or size > 4 or (samples == 3 and (dtype.kind != "u" or size > 2)):
        wanted = "uint8 or uint16" if samples == 3 else "bool, integers of 8 to 32 bits, float32 or float64"
        raise TypeError(f"pixels of {dtype} cannot be shown: they are {wanted}; use array.astype(…)")
    most = 1 if dtype.kind == "b" else 8 * size
    if stored is not None and not 1 <= stored <= most:
        raise ValueError(f"bits_stored is 1 to {most} for {dtype}, not {stored}")
    return {
        "bits_allocated": 8 * size,
        "bits_stored": stored or most,
        "high_bit": (stored or most) - 1,
        "pixel_representation": int(dtype.kind == "i"),
    }


def _photometric(given: str | None, samples: int) -> str:
    allowed = ("RGB",) if samples == 3 else _GREY
    if given is not None and given not in allowed:
        raise ValueError(f"photometric_interpretation is {' or '.join(allowed)} here, not {given!r}")
    return given or allowed[-1]


def _of_frames(per_frame: Sequence[Mapping[str, Any]], count: int) -> tuple[dict[str, Any], ...]:
    if per_frame and len(per_frame) != count:
        raise ValueError(f"per_frame describes {len(per_frame)} frames, the array has {count}")
    for one in per_frame:
        if of_all := PIXEL_ATTRIBUTES & set(one):
            raise TypeError(f"{min(of_all)} is one for all frames")
    return tuple(check_attributes(one, of_pixels=False) for one in per_frame)
