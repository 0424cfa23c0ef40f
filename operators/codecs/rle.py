"""RLE Lossless (PS3.5 annex G): a header of segment offsets, then one PackBits segment for each byte of each sample."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.description import container_bytes, sample_count
from cornerstream.operators.codecs.embedded_overlays import take_embedded
from cornerstream.operators.codecs.native import by_pixel
from cornerstream.operators.codecs.stored_values import decoded, stored_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.images.metadata import FrameMetadata

_HEADER = struct.Struct("<16L")  # number of segments, then 15 offsets (PS3.5 G.5)
_MOST_PADDING = 64  # zeros behind a segment read as runs of zeros
_MOST_EXPANSION = 64  # two bytes of PackBits stand for at most 128 (PS3.5 G.3.2)


def decode_rle(frame: EncodedFrame) -> DecodedFrame:
    """Decode with imagecodecs, segment by segment: its whole-frame function pads a short segment in silence.

    Raises:
        DecodeError: The header contradicts the description, or a segment is short.
    """
    from imagecodecs import packbits_decode  # noqa: PLC0415 - no codec is imported before it is needed

    metadata = frame.metadata
    most = metadata.rows * metadata.columns
    planes = [packbits_decode(segment, out=most + _MOST_PADDING) for segment in rle_segments(frame)]
    least = _least_length(metadata)
    length = least if len(planes[0]) == least else most
    if any(len(plane) < length for plane in planes):
        raise DecodeError(
            f"the RLE segments expand to {[len(plane) for plane in planes]} bytes, {most} each are needed"
        )
    return _pixels(frame, _joined(planes, length, metadata).reshape(-1))


def decode_pylibjpeg_rle(frame: EncodedFrame) -> DecodedFrame:
    """Decode with pylibjpeg-rle, which holds the interpreter lock; of 1-bit frames it reads one form only.

    Raises:
        DecodeError: The header contradicts the description, or a segment is short.
    """
    from rle.utils import decode_pixel_data  # noqa: PLC0415 - no codec is imported before it is needed

    rle_segments(frame)
    metadata = frame.metadata
    words = decode_pixel_data(
        bytes(frame.data),
        version=2,
        rows=metadata.rows,
        columns=metadata.columns,
        bits_allocated=metadata.bits_allocated,
        byteorder="<",
    )
    return _pixels(frame, np.frombuffer(words, f"<u{container_bytes(metadata)}"))


def rle_segments(frame: EncodedFrame) -> list[bytes]:
    """The segments of an RLE frame, as its header and its description both say.

    Raises:
        DecodeError: They contradict each other, or the data cannot expand to the frame.
    """
    data, metadata = frame.data, frame.metadata
    if len(data) < _HEADER.size:
        raise DecodeError(f"an RLE frame of {len(data)} bytes has no header")
    count, *offsets = _HEADER.unpack_from(data)
    needed = metadata.samples_per_pixel * container_bytes(metadata)
    if count != needed:
        raise DecodeError(f"the RLE header says {count} segments, the description needs {needed} (PS3.5 G.2)")
    bounds = [*offsets[:count], len(data)]
    if bounds[0] != _HEADER.size or sorted(set(bounds)) != bounds:
        raise DecodeError(f"the RLE segment offsets {bounds[:-1]} do not lie in order within {len(data)} bytes")
    shortest = min(end - start for start, end in pairwise(bounds))
    if shortest * _MOST_EXPANSION < _least_length(metadata):
        raise DecodeError(f"an RLE segment of {shortest} bytes cannot expand to {_least_length(metadata)}")
    return [bytes(data[start:end]) for start, end in pairwise(bounds)]


def _least_length(metadata: FrameMetadata) -> int:
    """Bytes that a segment expands to at least: one a pixel.

    1-bit frames are found in two forms, one byte a pixel and eight pixels a byte; the length tells them apart.
    """
    pixels = metadata.rows * metadata.columns
    return (pixels + 7) // 8 if metadata.bits_allocated == 1 else pixels


def _joined(planes: Sequence[bytes | bytearray], length: int, metadata: FrameMetadata) -> NDArray[np.generic]:
    """Words of samples × `length`, in the machine's byte order.

    The most significant byte of a sample comes first (PS3.5 G.2), samples one after the other.
    """
    size = container_bytes(metadata)
    words = np.empty((metadata.samples_per_pixel, length), f"u{size}")
    for index, plane in enumerate(planes):
        sample, place = divmod(index, size)
        row, octets = words[sample], np.frombuffer(plane, np.uint8, length)
        if not place:
            row[:] = octets
        else:  # two passes over whole words take half the time of every other byte
            np.left_shift(row, 8, out=row)
            np.bitwise_or(row, octets, out=row)
    return words


def _pixels(frame: EncodedFrame, words: NDArray[np.generic]) -> DecodedFrame:
    """Stored values of words, plane after plane; RLE has no other planar configuration."""
    metadata = frame.metadata
    if len(words) < sample_count(metadata):
        octets = words.view(np.uint8)
        samples: NDArray[np.generic] = np.unpackbits(octets, count=sample_count(metadata), bitorder="little")
    else:
        samples = words.astype(words.dtype.newbyteorder("="), copy=False)
    photometric = "YBR_FULL" if metadata.photometric_interpretation == "YBR_FULL_422" else ""
    pixels = by_pixel(stored_values(samples, metadata), metadata, planar=True)
    return decoded(take_embedded(frame, samples), pixels, photometric)
