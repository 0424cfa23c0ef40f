"""The frame of a Part 10 file whose bytes are all in memory: found without copying them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import TruncatedError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.file_layout import FileLayout, check_not_empty, find_frames
from cornerstream.operators.fragments import check_fragment
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.native_frames import frame_metadata, native_layout
from cornerstream.operators.part10 import DEFLATED
from cornerstream.operators.split_frames import FrameSplitter

if TYPE_CHECKING:
    from cornerstream.operators.header_pattern import HeaderPattern
    from cornerstream.operators.part10 import AttributeReader

_PIECE = 1 << 13  # most headers are shorter
_ITEM = bytes.fromhex("FEFF00E0")
_ONE_OFFSET = bytes.fromhex("0400000000000000")
_SEQUENCE_END = bytes.fromhex("FEFFDDE000000000")


def only_frame(
    data: bytes | memoryview,
    limits: Limits = DEFAULT_LIMITS,
    reader: AttributeReader = read_attributes,
    pattern: HeaderPattern | None = None,
    *,
    search: bool = True,
) -> EncodedFrame | None:
    """The frame of a file that has one; `None` where it has more.

    Args:
        data: The file.
        limits: Bounds for whatever it claims.
        reader: Makes metadata of its attributes.
        pattern: What is known of headers like this one.
        search: Look for what is not to be in a codestream; else its decoder does (see `EncodedFrame.searched`).

    Returns:
        Its native frame is a view of `data`, the codestream of an encapsulated one a copy.

    Raises:
        SplitError: It is not DICOM, has no pixel data, or its framing contradicts itself.
        TruncatedError: It is cut.
        LimitError: A limit is reached.
    """
    check_not_empty(len(data), "the part")

    found = _by_pattern(data, pattern) or _parsed(data, limits, reader, pattern)
    metadata = found.header.metadata
    if metadata.number_of_frames > 1:
        return None
    if metadata.transfer_syntax_uid == DEFLATED:
        return _inflated(data, limits)
    described, native = frame_metadata(found.header, 1), _native(data, found)
    if native is not None:
        return EncodedFrame(described, native)
    search = search or len(found.fragments[0]) > 1  # which nobody can look into any more once they are joined
    return EncodedFrame(described, _codestream(data, found, search=search), searched=search)


def _by_pattern(data: bytes | memoryview, pattern: HeaderPattern | None) -> FileLayout | None:
    header = None if pattern is None else pattern.read(data)
    if header is None:
        return None
    if header.pixel_length is not None:
        return FileLayout(header, native_layout(header))
    place = _sole_fragment(data, header.pixel_start)
    return None if place is None or header.metadata.number_of_frames > 1 else FileLayout(header, fragments=((place,),))


def _sole_fragment(data: bytes | memoryview, at: int) -> tuple[int, int] | None:
    """Offset and length of a fragment, if it is the only one and nothing about it is unusual (PS3.5 section A.4)."""
    table = bytes(data[at : at + 12])
    start = at + (12 if table[4:] == _ONE_OFFSET else 8)
    if not table.startswith(_ITEM) or (start == at + 8 and table[4:8] != bytes(4)):
        return None
    item = bytes(data[start : start + 8])
    length = int.from_bytes(item[4:], "little")
    start += 8
    ends = bytes(data[start + length : start + length + 8]) == _SEQUENCE_END
    return (start, length) if item.startswith(_ITEM) and length and ends else None


def _parsed(
    data: bytes | memoryview, limits: Limits, reader: AttributeReader, pattern: HeaderPattern | None
) -> FileLayout:
    def read(count: int, position: int) -> bytes:
        """Where the parser wants to go on."""
        return bytes(data[position : position + min(count, _PIECE)])

    found = find_frames(read, len(data), limits, reader)
    if pattern is not None:
        pattern.learn(data, found.header)
    return found


def _native(data: bytes | memoryview, found: FileLayout) -> bytes | memoryview | None:
    if found.layout is None:
        return None
    start, length = found.layout.place(0)
    if start + length > len(data):
        raise TruncatedError(f"the file ends {start + length - len(data)} bytes too early, at offset {len(data)}")
    if found.layout.swapped_words or found.layout.frame_bits % 8:
        return found.layout.cut(0, bytes(data[start : start + length]))
    return memoryview(data)[start : start + length]


def _codestream(data: bytes | memoryview, found: FileLayout, *, search: bool) -> bytes:
    pieces = [bytes(data[start : start + length]) for start, length in found.fragments[0]]
    for piece in pieces if search else ():
        check_fragment(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _inflated(data: bytes | memoryview, limits: Limits) -> EncodedFrame:
    splitter = FrameSplitter(limits=limits)
    try:
        (frame,) = [*splitter.feed(bytes(data)), *splitter.close()]
    finally:
        splitter.discard()
    return frame
