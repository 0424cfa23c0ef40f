"""Uncompressed frames (PS3.5 8.1, A.1 to A.5): 1, 8, 12, 16 and 32 bits, float, both byte orders, both planar forms."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import numpy as np

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.description import (
    container_bytes,
    frame_shape,
    is_float,
    sample_count,
    stored_dtype,
)
from cornerstream.operators.codecs.embedded_overlays import take_embedded
from cornerstream.operators.codecs.stored_values import decoded, memory_for, stored_values
from cornerstream.operators.native_frames import packed_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.images.metadata import FrameMetadata

EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_OWN_ORDER = "<" if sys.byteorder == "little" else ">"
_WORDS = {size: np.dtype(f"u{size}") for size in (1, 2, 4)}
_SPARE = 64  # a part of so little may stay behind a frame: to copy all the others would cost more than it holds


def decode_native(frame: EncodedFrame) -> DecodedFrame:
    """Decode a native frame.

    8-bit data that an OW element of a big endian data set holds is swapped word by word, from the first byte on.

    Raises:
        DecodeError: The data is short, or longer than one byte of padding explains.
    """
    big_endian = frame.metadata.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
    return native_pixels(frame, frame.data, ">" if big_endian else "<")


def native_pixels(frame: EncodedFrame, data: bytes | memoryview, order: Literal["<", ">"] = "<") -> DecodedFrame:
    """Stored values of native bytes in a byte order, `<` or `>`."""
    metadata, found = frame.metadata, len(data)
    expected = native_length(metadata, found)
    if not expected <= found <= expected + 1:
        raise DecodeError(f"a native frame has {found} bytes; its description needs {expected}")
    if order == ">" and metadata.bits_allocated <= 12 and metadata.pixel_vr_is_ow:
        data = _swapped(data)
    data = memoryview(data)[:expected]
    if is_float(metadata):
        return decoded(frame, _words(data, metadata, order, own=not _is_placed(frame)).reshape(frame_shape(metadata)))
    if _is_packed(metadata):
        return decoded(frame, expand_422(np.frombuffer(data, np.uint8), metadata), "YBR_FULL")
    words = _words(data, metadata, order, own=not _is_placed(frame))
    if metadata.overlays:
        frame = take_embedded(frame, words)
    memory = memory_for(frame, metadata.bits_allocated, signed=metadata.pixel_representation == 1)
    by_plane = metadata.planar_configuration == 1 and metadata.samples_per_pixel > 1
    flat = None if memory is None or by_plane else memory.reshape(-1)
    return decoded(frame, by_pixel(stored_values(words, metadata, flat), metadata))


def native_length(metadata: FrameMetadata, found: int = 0) -> int:
    """Bytes of one native frame, without padding.

    Args:
        metadata: Describes the frame.
        found: Bytes that are there; they decide between the two forms that YBR_FULL_422 of an odd number of columns
            has (see `packed_lengths`). Without them it is the longer one.

    Raises:
        DecodeError: YBR_FULL_422 of more than 8 bits.
    """
    if not _is_packed(metadata):
        return (sample_count(metadata) * metadata.bits_allocated + 7) // 8
    if metadata.bits_allocated != 8:
        raise DecodeError("native YBR_FULL_422 has 8 bits (PS3.3 C.7.6.3.1.2)")
    lengths = packed_lengths(metadata.rows, metadata.columns)
    return found if found in lengths else lengths[0]


def by_pixel(
    samples: NDArray[np.generic], metadata: FrameMetadata, *, planar: bool | None = None
) -> NDArray[np.generic]:
    """Samples in rows × columns × samples, whatever the planar configuration was (PS3.3 C.7.6.3.1.3)."""
    planes = metadata.planar_configuration == 1 if planar is None else planar
    if planes and metadata.samples_per_pixel > 1:
        shape = metadata.samples_per_pixel, metadata.rows, metadata.columns
        return np.moveaxis(samples.reshape(shape), 0, -1)
    return samples.reshape(frame_shape(metadata))


def expand_422(packed: NDArray[np.uint8], metadata: FrameMetadata) -> NDArray[np.uint8]:
    """Packed `Y0 Y1 Cb Cr` of each pair of pixels as rows × columns × 3, the chroma of a pair repeated.

    The result is YBR_FULL (PS3.3 C.7.6.3.1.2). The second pixel of a pair that fills up a row of odd length is dropped.
    """
    pairs = packed.reshape(-1, 4)
    pixels = np.empty((len(pairs), 2, 3), np.uint8)
    pixels[..., 0] = pairs[:, :2]
    pixels[..., 1:] = pairs[:, None, 2:]
    return pixels.reshape(metadata.rows, -1, 3)[:, : metadata.columns]


def unpack_12(data: memoryview, count: int) -> NDArray[np.uint16]:
    """Values of 12 bits that follow each other without a gap, least significant bit first (PS3.5 8.1.1, annex D).

    Three bytes hold two values: `b1[3:0] b0` and `b2 b1[7:4]`.
    """
    padded = np.zeros((count + 1) // 2 * 3, np.uint16)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    low, middle, high = padded.reshape(-1, 3).T
    return np.stack((low | (middle & 0xF) << 8, middle >> 4 | high << 4), axis=1).reshape(-1)[:count]


def _is_packed(metadata: FrameMetadata) -> bool:
    """Two pixels share their chroma."""
    return metadata.photometric_interpretation == "YBR_FULL_422" and metadata.samples_per_pixel == 3


def _is_placed(frame: EncodedFrame) -> bool:
    """The pixels are written into the caller's memory, so that what they are read from may be a view."""
    return frame.target is not None and frame.target.out is not None


def _words(data: memoryview, metadata: FrameMetadata, order: Literal["<", ">"], *, own: bool) -> NDArray[np.generic]:
    """One unsigned word (or float) a sample, in the machine's byte order.

    Where they are to `own` their bytes they are a copy, unless `data` is nearly all of its buffer: a view would keep the whole
    file or body alive behind one frame.
    """
    if metadata.bits_allocated == 1:
        return np.unpackbits(np.frombuffer(data, np.uint8), count=sample_count(metadata), bitorder="little")
    if metadata.bits_allocated == 12:
        return unpack_12(data, sample_count(metadata))
    dtype = stored_dtype(metadata) if is_float(metadata) else _WORDS[container_bytes(metadata)]
    words = np.frombuffer(data, dtype if order == _OWN_ORDER else dtype.newbyteorder(order), sample_count(metadata))
    return words.astype(dtype, copy=own and (_may_change(data) or _is_small_part(data)))


def _may_change(data: memoryview) -> bool:
    """Somebody may write what it is a view of: neither bytes nor the memory that a part was received into."""
    return not (isinstance(data.obj, bytes) or (data.readonly and isinstance(data.obj, np.ndarray)))


def _is_small_part(data: memoryview) -> bool:
    """A view would keep much more than its own bytes alive."""
    return memoryview(data.obj).nbytes - len(data) > max(1, len(data) // _SPARE)


def _swapped(data: bytes | memoryview) -> bytes:
    """The bytes of each 16-bit word exchanged."""
    if len(data) % 2:
        raise DecodeError(f"{len(data)} bytes are not the 16-bit words of an OW element")
    return np.frombuffer(data, np.uint16).byteswap().tobytes()
