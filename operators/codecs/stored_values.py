"""From what a decoder returns to stored values: the Bits Stored bits that end at High Bit, with their sign (PS3.5 8.1.1).

A word of Bits Allocated 16, Bits Stored 12, High Bit 11, Pixel Representation 1::

    bit  15 … 12 │ 11 … 0
         not ours│ value in two's complement      0xF800 → 0x800 → −2048
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.frames import DecodedFrame
from cornerstream.operators.codecs.description import frame_shape, stored_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.metadata import FrameMetadata


def decoded(frame: EncodedFrame, pixels: NDArray[np.generic], photometric_interpretation: str = "") -> DecodedFrame:
    """A decoded frame, C-contiguous; the photometric interpretation is the data set's unless the codec changed it."""
    photometric = photometric_interpretation or frame.metadata.photometric_interpretation
    return DecodedFrame(frame.metadata, np.ascontiguousarray(pixels), photometric, frame.timings)


def memory_for(frame: EncodedFrame, precision: int, *, signed: bool = False) -> NDArray[np.generic] | None:
    """The caller's memory for a decoder's samples; `None` where the decoder has to allocate.

    Args:
        frame: Its target says where the pixels are wanted.
        precision: Bits of a sample in the codestream.
        signed: The decoder returns signed samples.
    """
    if frame.target is None:
        return None
    size = 1 if precision <= 8 else 2 if precision <= 16 else 4
    return frame.target.memory_for(frame_shape(frame.metadata), np.dtype(f"{'i' if signed else 'u'}{size}"))


def stored_values(
    samples: NDArray[np.generic], metadata: FrameMetadata, out: NDArray[np.generic] | None = None
) -> NDArray[np.generic]:
    """Stored values of whole words, as native and RLE data hold them: masked, shifted down, sign-extended.

    Args:
        samples: Unsigned words of the container's size (1, 2 or 4 bytes).
        metadata: Bits Stored, High Bit and Pixel Representation.
        out: Memory of the same shape for values that differ from the words; `samples` itself changes them in place.
    """
    return _cut(samples, metadata, metadata.high_bit, out)


def codec_values(
    samples: NDArray[np.generic], metadata: FrameMetadata, *, precision: int, lossless: bool
) -> NDArray[np.generic]:
    """Stored values of a codec's samples.

    Where the codestream has more bits than Bits Stored, it holds whole words; otherwise its samples end at bit 0.
    Overshoot of lossy unsigned samples beyond Bits Stored is kept: masking would turn white into black.

    Args:
        samples: Integers, signed if the codestream says so.
        metadata: Bits Stored, High Bit and Pixel Representation.
        precision: Bits of a sample in the codestream.
        lossless: Samples are exactly what was encoded.
    """
    top = metadata.high_bit if precision > metadata.high_bit else metadata.bits_stored - 1
    tag_signed, stream_signed = metadata.pixel_representation == 1, samples.dtype.kind == "i"
    dtype = stored_dtype(metadata)
    words = samples.view(dtype) if samples.dtype.itemsize == dtype.itemsize else samples.astype(dtype)
    if tag_signed == stream_signed and (not lossless or precision <= metadata.bits_stored):
        return words
    # Codestreams of signed data that call themselves unsigned are common (every JPEG and JPEG-LS has to): the bits are
    # right, the sign is the data set's to say.
    return _cut(words, metadata, top, words if words.flags.writeable else None)


def _cut(
    words: NDArray[np.generic], metadata: FrameMetadata, top: int, out: NDArray[np.generic] | None
) -> NDArray[np.generic]:
    """The Bits Stored bits of each word that end at bit `top`."""
    dtype = stored_dtype(metadata)
    width = 8 * dtype.itemsize
    left, right = width - 1 - top, width - metadata.bits_stored
    values, memory = words.view(dtype), None if out is None else out.view(dtype)
    if not right or (left == right and _fits(values, metadata.bits_stored)):
        return values
    if dtype.kind == "u" and left == right:  # one pass is enough where nothing is shifted
        return np.bitwise_and(values, dtype.type((1 << metadata.bits_stored) - 1), out=memory)
    shifted = np.left_shift(values, left, out=memory)
    return np.right_shift(shifted, right, out=shifted)


def _fits(values: NDArray[np.generic], bits: int) -> bool:
    """Nothing is to be cut: to look at the least and the greatest value takes a tenth of the time that shifting does."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if values.dtype.kind == "i" else (0, (1 << bits) - 1)
    return bool(values.max() <= high and (not low or values.min() >= low))
