"""Where the frames of a Part 10 file lie, found by reading its header and the headers of its fragments alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cornerstream.images.errors import SplitError, TruncatedError
from cornerstream.operators.byte_stream import ByteStream
from cornerstream.operators.fragments import places, walk_frames
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.native_frames import native_layout
from cornerstream.operators.part10 import read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from cornerstream.images.limits import Limits
    from cornerstream.operators.frame_grouper import Frame
    from cornerstream.operators.header_pattern import HeaderPattern
    from cornerstream.operators.native_frames import NativeLayout
    from cornerstream.operators.part10 import AttributeReader, Part10Header

    Read = Callable[[int, int], bytes]

R = TypeVar("R")
Places = tuple[tuple[int, int], ...]

_HEADER_PIECES = (1 << 14, 1 << 16)  # a header of the usual size, and of one that goes on behind that
_FRAGMENT_PIECES = (1 << 9, 1 << 9)
_ITEM = bytes.fromhex("FEFF00E0")
_NO_OFFSETS, _ONE_OFFSET = _ITEM + bytes(4), _ITEM + bytes.fromhex("0400000000000000")
_SEQUENCE_END = bytes.fromhex("FEFFDDE000000000")


@dataclass(frozen=True, slots=True)
class FileLayout:
    """Where frames lie.

    Attributes:
        header: What stands in front of the pixels.
        layout: Of native pixel data; of a deflated data set counted in inflated bytes.
        fragments: Offset and length of each fragment, frame by frame, of encapsulated pixel data.
    """

    header: Part10Header = field(repr=False)
    layout: NativeLayout | None = None
    fragments: Sequence[Places] = field(default=(), repr=False)


def find_frames(
    read: Read,
    size: int,
    limits: Limits,
    reader: AttributeReader = read_attributes,
    pattern: HeaderPattern | None = None,
) -> FileLayout:
    """Find where the frames lie; what is between the headers is not read.

    Args:
        read: Gives at most so many bytes from an offset on.
        size: Bytes of the file.
        limits: Bounds for whatever the file claims.
        reader: Makes metadata of the header's attributes.
        pattern: What is known of headers like its own.

    Raises:
        SplitError: It is not DICOM, has no pixel data, or its framing contradicts itself.
        TruncatedError: Its header or a fragment is cut.
        LimitError: A limit is reached.
    """
    if pattern is None:
        return _parsed(read, size, limits, reader)
    head = read(min(_HEADER_PIECES[0], size), 0)
    header = pattern.read(head)
    found = None if header is None else _of_one_frame(header, head, read, size)
    if found is None:
        found = _parsed(lambda count, offset: read(count, offset) if offset else head[:count], size, limits, reader)
        pattern.learn(head, found.header)
    return found


def _parsed(read: Read, size: int, limits: Limits, reader: AttributeReader) -> FileLayout:
    stream = ByteStream()
    header = _drive(read_header(stream, limits, reader), stream, read, size, _HEADER_PIECES)
    if header.pixel_length is not None:
        return FileLayout(header, native_layout(header))
    frames: list[Frame] = []
    walk = walk_frames(stream, header, limits, frames, keep_data=False)
    _drive(walk, stream, read, size, _FRAGMENT_PIECES)
    return FileLayout(header, fragments=tuple(places(frames)))


def _of_one_frame(header: Part10Header, head: bytes, read: Read, size: int) -> FileLayout | None:
    """Where the frames lie of a file whose header is known; `None` where its fragments have to be walked."""
    if header.pixel_length is not None:
        return FileLayout(header, native_layout(header))
    if header.metadata.number_of_frames > 1:
        return None
    start = header.pixel_start
    if head.startswith(_NO_OFFSETS, start):
        start += len(_NO_OFFSETS)
    elif head.startswith(_ONE_OFFSET, start):
        start += len(_ONE_OFFSET)
    else:
        return None
    start, length = start + 8, int.from_bytes(head[start + 4 : start + 8], "little")
    end = start + length
    if not head.startswith(_ITEM, start - 8) or not length or end + len(_SEQUENCE_END) > size:
        return None
    ends = read(len(_SEQUENCE_END), end) == _SEQUENCE_END
    return FileLayout(header, fragments=(((start, length),),)) if ends else None


def check_not_empty(size: int, name: str) -> None:
    """Refuse a file without a byte; raises SplitError."""
    if not size:
        raise SplitError(f"{name} is not a DICOM file: it is empty")


def _drive(parser: Generator[None, None, R], stream: ByteStream, read: Read, size: int, pieces: tuple[int, int]) -> R:
    """Run a parser over a file, reading where it wants to go on, a first piece and others: what it skips is not read."""
    piece, others = pieces
    while True:
        try:
            next(parser)
        except StopIteration as stop:
            result: R = stop.value
            return result
        position = stream.wanted_position
        if position > size:
            raise TruncatedError(f"the file ends {position - size} bytes too early, at offset {size}")
        data = read(min(piece, size - position), position)  # what is appended meanwhile does not count
        if not data and position < size:
            raise TruncatedError(f"the file has become shorter while it was read: it ends before offset {position}")
        piece = others
        stream.ended = position == size
        stream.fill(data)
