"""Native pixel data (PS3.5 sections 8.1 and 8.2): where each frame lies, by arithmetic.

1-bit and 12-bit frames follow each other without a gap, so a frame may begin inside a byte; it is shifted to the front.
Narrow pixels written as big endian words come two or more to a word; they are put in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import SplitError

if TYPE_CHECKING:
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.operators.part10 import Part10Header

_HALF_CHROMA = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})  # two chroma samples for two pixels: PS3.3 C.7.6.3.1.2


@dataclass(frozen=True, slots=True)
class NativeLayout:
    """Where the frames of native pixel data lie.

    Attributes:
        start: Offset of the first frame's first byte.
        frame_bits: Bits of one frame.
        swapped_words: Bytes come as big endian words of two.
    """

    start: int
    frame_bits: int
    swapped_words: bool = False

    def place(self, frame_index: int) -> tuple[int, int]:
        """Offset and length of the bytes that hold a frame; neighbours may share the first and the last one.

        Args:
            frame_index: Counts from 0.
        """
        step = 2 if self.swapped_words else 1
        first = frame_index * self.frame_bits // 8 // step * step
        stop = -(-(frame_index + 1) * self.frame_bits // (8 * step)) * step
        return self.start + first, stop - first

    def cut(self, frame_index: int, data: bytes) -> bytes:
        """The frame out of the bytes of its place: its first bit first, in the order of a little endian stream."""
        offset, _ = self.place(frame_index)
        if self.swapped_words:
            data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
        first_bit = frame_index * self.frame_bits - (offset - self.start) * 8
        return take_bits(data, first_bit, self.frame_bits)


def native_layout(header: Part10Header) -> NativeLayout:
    """Lay out the frames of native pixel data.

    Raises:
        SplitError: The pixel data element is too short for its frames or has room for more, its length fits
            unsubsampled chroma only, or proves neither form that subsampled chroma of an odd number of columns has.
    """
    assert header.pixel_length is not None
    metadata = header.metadata.shared
    frame_bits = frame_bits_of(metadata, header.pixel_length // metadata.number_of_frames)
    wanted = -(-frame_bits * metadata.number_of_frames // 8)
    if header.pixel_length < wanted:
        description = f"{metadata.number_of_frames} × {metadata.rows} × {metadata.columns} pixels"
        raise SplitError(f"{metadata.pixel_keyword} has {header.pixel_length} bytes, but {description} need {wanted}")
    if metadata.photometric_interpretation in _HALF_CHROMA:
        _check_chroma(metadata, header.pixel_length, wanted)
    _check_rest(metadata, header.pixel_length, wanted, frame_bits)
    return NativeLayout(header.pixel_start, frame_bits, header.swapped_words)


def _check_rest(metadata: FrameMetadata, length: int, wanted: int, frame_bits: int) -> None:
    """Behind the last frame stand a byte of padding or a little more; a further frame contradicts Number of Frames."""
    if (length - wanted) * 8 >= frame_bits and length - wanted > 1:
        raise SplitError(
            f"{metadata.pixel_keyword} has {length} bytes, but NumberOfFrames is {metadata.number_of_frames}, which are "
            f"{wanted} bytes: there is room for {length * 8 // frame_bits} frames"
        )


def frame_bits_of(metadata: FrameMetadata, found_bytes: int = 0) -> int:
    """Bits of one native frame.

    Args:
        metadata: Describes the frame.
        found_bytes: Bytes that a frame seems to have; they decide between the two forms of `packed_lengths`.
    """
    if metadata.photometric_interpretation not in _HALF_CHROMA:
        return metadata.rows * metadata.columns * metadata.samples_per_pixel * metadata.bits_allocated
    lengths = packed_lengths(metadata.rows, metadata.columns)
    length = found_bytes if found_bytes in lengths else lengths[0]
    return length * metadata.bits_allocated


def packed_lengths(rows: int, columns: int) -> tuple[int, ...]:
    """Bytes that a native YBR_FULL_422 frame of 8 bits may have: one number for even columns, up to two for odd ones.

    PS3.3 C.7.6.3.1.2 demands an even number of columns, since two pixels share their chroma; files with an odd number
    exist nevertheless, in two forms that their length tells apart:

    1. every row is filled up to whole pairs, `rows × (columns + 1) × 2` (what fo-dicom reads, and what 4:2:2 codecs
       make of each row);
    2. the pairs run on through the rows, `rows × columns × 2` (what pydicom and DCMTK read); only where the number of
       pixels is even, or half a pair would end the frame.
    """
    filled = rows * (columns + columns % 2) * 2
    running = rows * columns * 2
    return (filled,) if filled == running or rows * columns % 2 else (filled, running)


def _check_chroma(metadata: FrameMetadata, found: int, wanted: int) -> None:
    """Refuse three bytes a pixel, and for odd columns whatever is not exactly one of the two forms."""
    if found in {metadata.rows * metadata.columns * 3 * metadata.number_of_frames + odd for odd in (0, 1)}:
        raise SplitError(
            f"{metadata.pixel_keyword} has three bytes a pixel, which contradicts {metadata.photometric_interpretation}"
        )
    if metadata.columns % 2 and found != wanted:
        raise SplitError(
            f"{metadata.pixel_keyword} has {found} bytes: {metadata.photometric_interpretation} of "
            f"{metadata.columns} columns has rows of whole pairs, or pairs that run through the rows, and this is neither"
        )


def frame_metadata(header: Part10Header, frame_number: int) -> FrameMetadata:
    """The metadata of a frame as it is given out: put in order, its words are swapped no more."""
    metadata = header.metadata.frame(frame_number)
    return replace(metadata, pixel_vr_is_ow=False) if header.swapped_words else metadata


def take_bits(data: bytes, first_bit: int, count: int) -> bytes:
    """Bits out of a stream whose first bit is the least significant one of the first byte; the rest of the last is 0."""
    if not first_bit and not count % 8:
        return data if len(data) * 8 == count else data[: count // 8]
    start, shift = divmod(first_bit, 8)
    words = np.frombuffer(data + b"\0", np.uint8)[start:].astype(np.uint16)
    wanted = -(-count // 8)
    bits = ((words[:-1] | words[1:] << 8) >> shift).astype(np.uint8)[:wanted]
    if count % 8:
        bits[-1] &= (1 << count % 8) - 1
    return bits.tobytes()
