"""Encapsulated pixel data (PS3.5 annex A.4): fragments walked by their lengths, and put together to frames.

A Basic or Extended Offset Table is believed as far as it agrees with the fragments. Without one, or with one that does
not, codestream markers and the number of fragments decide; what cannot be proven against Number of Frames is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.operators.byte_search import find_tag
from cornerstream.operators.codestream_markers import HEAD_BYTES, TAIL_BYTES, codestream
from cornerstream.operators.elements import EXPLICIT, ITEM, SEQUENCE_END, UNDEFINED, read_element_header, tag_text
from cornerstream.operators.frame_grouper import Fragment, FrameGrouper

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_stream import ByteStream
    from cornerstream.operators.frame_grouper import Frame
    from cornerstream.operators.part10 import Part10Header

_ITEM_TAG = bytes.fromhex("FEFF00E0")
_SUSPECTS, _CHAIN = 4, 100_000  # bytes that are made to look like items must not cost more than others


@dataclass(frozen=True, slots=True)
class OffsetTable:
    """Where frames begin, as the file says.

    Attributes:
        first: Offset of the first fragment's item.
        offsets: Of each frame's first item, counted from there; empty where the file does not say.
        lengths: Bytes of each frame, of an Extended Offset Table.
    """

    first: int
    offsets: tuple[int, ...] = field(default=(), repr=False)
    lengths: tuple[int, ...] = field(default=(), repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes held, near enough for a budget."""
        return 44 * (len(self.offsets) + len(self.lengths))

    def piece(self, start: int, stop: int) -> OffsetTable:
        """The table as it would be if the file began with frame index `start` and ended before `stop`."""
        base = self.offsets[start]
        offsets = tuple(offset - base for offset in self.offsets[start:stop])
        return OffsetTable(self.first + base, offsets, self.lengths[start:stop])


def walk_frames(
    stream: ByteStream, header: Part10Header, limits: Limits, frames: list[Frame], *, keep_data: bool
) -> Generator[None]:
    """Walk the fragments from a stream that stands at the first item of encapsulated pixel data.

    Args:
        stream: Is being fed.
        header: What stood in front.
        limits: Bounds fragments and frames.
        frames: Receives each frame as soon as its end is proven, in order.
        keep_data: Keep the fragments' bytes; else only their places are noted and the bytes skipped.

    Raises:
        SplitError: Something else than an item stands where one must, or frames and fragments do not agree.
        TruncatedError: The fragments end before the sequence delimiter.
        LimitError: There are too many fragments.
    """
    table = yield from read_offsets(stream, header, limits)
    metadata = header.metadata.shared
    grouper = FrameGrouper(metadata.number_of_frames, codestream(metadata), table.offsets, table.lengths)
    yield from walk_fragments(stream, grouper, limits, frames, keep_data=keep_data)


def read_offsets(stream: ByteStream, header: Part10Header, limits: Limits) -> Generator[None, None, OffsetTable]:
    """Pass the Basic Offset Table; the stream then stands at the first fragment's item.

    Raises:
        SplitError: There is no item.
        TruncatedError: It is cut.
        LimitError: It is too long.
    """
    offsets = yield from _basic_offsets(stream, limits)
    lengths: tuple[int, ...] = ()
    if header.extended_offsets is not None:
        offsets, lengths = (
            struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8]) for raw in header.extended_offsets
        )
    return OffsetTable(stream.position, offsets, lengths)


def walk_fragments(
    stream: ByteStream, grouper: FrameGrouper, limits: Limits, frames: list[Frame], *, keep_data: bool
) -> Generator[None]:
    """Walk the fragments from a stream that stands at the item of a frame's first one; see `walk_frames`."""
    first, count, empty = stream.position, 0, 0
    complete: list[Frame] = []
    while (length := (yield from _item_length(stream))) is not None:
        frames.extend(complete)  # not before the item behind it has proven its length
        complete = []
        count += 1
        empty += not length
        if count > limits.fragments:
            raise LimitError(f"there are more than {limits.fragments} fragments (limits.fragments)")
        if empty > limits.empty_fragments:
            raise LimitError(f"more than {limits.empty_fragments} fragments are empty (limits.empty_fragments)")
        if length:
            complete = yield from _walk_fragment(stream, length, first, grouper, frames, keep_data=keep_data)
    frames.extend(complete)
    frames.extend(grouper.finish())


def _walk_fragment(
    stream: ByteStream, length: int, first: int, grouper: FrameGrouper, frames: list[Frame], *, keep_data: bool
) -> Generator[None, None, list[Frame]]:
    """Returns the frames that are complete if the fragment is."""
    start = stream.position
    offset = start - 8 - first
    head_bytes = min(length, HEAD_BYTES)
    yield from stream.need(head_bytes)
    head = stream.peek(head_bytes)
    frames.extend(grouper.begin(offset, head))  # the frame before is complete, if this one begins a frame
    if keep_data:
        yield from stream.need(length)
        data = stream.take(length)
        check_fragment(data)
        tail = data[-TAIL_BYTES:]
    else:
        tail_bytes = min(length, TAIL_BYTES)
        stream.skip(length - tail_bytes)
        yield from stream.need(tail_bytes)
        data, tail = b"", stream.take(tail_bytes)
    return grouper.end(Fragment(start, length, offset, head, tail, data))


def _basic_offsets(stream: ByteStream, limits: Limits) -> Generator[None, None, tuple[int, ...]]:
    length = yield from _item_length(stream)
    if length is None:
        raise SplitError("Pixel Data has no fragments")
    if length > 4 * limits.frames:
        raise LimitError(f"the Basic Offset Table has {length} bytes, for over {limits.frames} frames (limits.frames)")
    yield from stream.need(length)
    raw = stream.take(length)
    check_fragment(raw)
    return struct.unpack(f"<{length // 4}I", raw[: length // 4 * 4])


def _item_length(stream: ByteStream) -> Generator[None, None, int | None]:
    """Length of the item that begins here; `None` at the sequence delimiter."""
    header = yield from read_element_header(stream, EXPLICIT)
    if header.tag == SEQUENCE_END and not header.length:
        return None
    if header.tag != ITEM or header.length == UNDEFINED:
        raise SplitError(f"a fragment was expected at offset {stream.position - 8}, not {tag_text(header.tag)}")
    return header.length


def check_fragment(data: bytes) -> None:
    """Refuse a fragment that has swallowed the ones behind it: item headers in it lead exactly to its end.

    A length that was damaged so is proven by nothing else, where its frame has several fragments. No codestream looks
    like that by chance: 64 bits must be right.

    Raises:
        SplitError: It has.
    """
    for at in islice(find_tag(data, _ITEM_TAG), _SUSPECTS):
        if _leads_to_end(data, at):
            raise SplitError(f"a fragment holds whole items, at byte {at} of {len(data)}: its length is wrong")


def _leads_to_end(data: bytes, at: int) -> bool:
    for _ in range(_CHAIN):
        if data[at : at + 4] != _ITEM_TAG or at > len(data) - 8:
            break
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    return at == len(data)


def places(frames: list[Frame]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Offset and length of every fragment, frame by frame."""
    for frame in frames:
        yield tuple((fragment.start, fragment.length) for fragment in frame)
