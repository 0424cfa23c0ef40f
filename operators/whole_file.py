"""The frame of a Part 10 file whose bytes are all in memory: found without copying them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import TruncatedError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.file_layout import check_not_empty, find_frames
from cornerstream.operators.fragments import check_fragment
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.native_frames import frame_metadata
from cornerstream.operators.part10 import DEFLATED
from cornerstream.operators.split_frames import FrameSplitter

if TYPE_CHECKING:
    from cornerstream.operators.file_layout import FileLayout
    from cornerstream.operators.header_pattern import HeaderPattern
    from cornerstream.operators.part10 import AttributeReader


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

    def read(count: int, position: int) -> bytes:
        """What the parser wants to see."""
        return bytes(data[position : position + count])

    found = find_frames(read, len(data), limits, reader, pattern)
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
