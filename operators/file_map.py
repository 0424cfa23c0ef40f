"""Where the frames of a Part 10 file on a server lie, so that some can be had without the others (PS3.5 annex A.4).

Native frames lie where arithmetic says. Encapsulated ones lie where the Basic or Extended Offset Table says, and are
believed as far as in a whole file: the item behind a frame proves its length, the next codestream that it has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.operators.byte_stream import ByteStream
from cornerstream.operators.codestream_markers import HEAD_BYTES, codestream
from cornerstream.operators.fragments import OffsetTable, read_offsets, walk_fragments
from cornerstream.operators.frame_grouper import FrameGrouper, plausible
from cornerstream.operators.native_frames import NativeLayout, native_layout
from cornerstream.operators.part10 import DEFLATED, Part10Header, read_header
from cornerstream.operators.split_frames import split_encapsulated, split_native

if TYPE_CHECKING:
    from collections.abc import Generator

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_ranges import RemoteVersion
    from cornerstream.operators.frame_grouper import Frame

_ITEM_HEADER = 8
_TRIES = 8  # requests for one header; each may be twice as long as the one before


@dataclass(frozen=True, slots=True)
class FileMap:
    """Where the frames of a file lie.

    Attributes:
        version: Of the file it was made of.
        header: What stands in front of the pixels.
        layout: Of native pixel data.
        table: Of encapsulated pixel data.
    """

    version: RemoteVersion
    header: Part10Header = field(repr=False)
    layout: NativeLayout | None = None
    table: OffsetTable = field(default=OffsetTable(0), repr=False)

    @property
    def number_of_frames(self) -> int:
        """How many there are."""
        return self.header.metadata.number_of_frames

    @property
    def nbytes(self) -> int:
        """Bytes held, near enough for a budget."""
        return self.header.metadata.nbytes + self.table.nbytes

    def start(self, frame_number: int) -> int:
        """Offset of a frame's first byte, its item's header included; of the one behind the last, the file's end."""
        if frame_number > self.number_of_frames:
            return self.version.total
        if self.layout is not None:
            return self.layout.place(frame_number - 1)[0]
        return self.table.first + self.table.offsets[frame_number - 1]

    def span(self, first: int, last: int) -> range:
        """The bytes that hold these frames, and what proves the end of the last one.

        Args:
            first: Frame number, counts from 1.
            last: The same.
        """
        if self.layout is not None:
            return range(self.start(first), sum(self.layout.place(last - 1)))
        stop = self.start(last + 1)
        # Nothing of the frame after the next one: with more than it was told of the walk would not agree.
        return range(self.start(first), min(self.start(last + 2), stop + _ITEM_HEADER + HEAD_BYTES))


@dataclass(frozen=True, slots=True)
class MappedPiece:
    """Neighbouring frames of a mapped file, for `FrameSplitter`.

    Attributes:
        file_map: The file.
        numbers: The frames, counted from 1.
    """

    file_map: FileMap
    numbers: range

    def parse(self, stream: ByteStream, limits: Limits, frames: list[EncodedFrame]) -> Generator[None]:
        """Split the bytes of `FileMap.span`.

        Raises:
            SplitError: The offset table is wrong.
            TruncatedError: A frame is longer than its offsets say.
        """
        header, numbers = self.file_map.header, self.numbers
        stream.position = self.file_map.start(numbers.start)
        if self.file_map.layout is not None:
            yield from split_native(stream, header, numbers, frames)
            return
        table = self.file_map.table.piece(numbers.start - 1, numbers.stop)  # the one behind ends the last
        grouper = FrameGrouper(len(table.offsets), codestream(header.metadata.shared), table.offsets, table.lengths)
        found: list[Frame] = []
        walk = _believing(walk_fragments(stream, grouper, limits, found, keep_data=True), grouper, found)
        yield from split_encapsulated(walk, header, iter(numbers), found, frames)


def _believing(walk: Generator[None], grouper: FrameGrouper, found: list[Frame]) -> Generator[None]:
    """A walk that ends when the table is wrong: no number of a frame can be trusted then."""
    more = True
    while more:
        more = next(walk, False) is None
        if not grouper.believes:
            found.clear()
            raise SplitError("the offset table does not agree with the fragments")
        if more:
            yield


def map_of(header: Part10Header, table: OffsetTable | None, version: RemoteVersion) -> FileMap | None:
    """The map of a file whose header was read; `None` if only the whole file can tell where its frames lie."""
    metadata = header.metadata
    if metadata.transfer_syntax_uid == DEFLATED:
        return None
    if header.pixel_length is not None:
        layout = native_layout(header)
        return (
            FileMap(version, header, layout)
            if sum(layout.place(metadata.number_of_frames - 1)) <= version.total
            else None
        )
    if table is None or not codestream(metadata.shared).refutable:
        return None
    fits = plausible(table.offsets, metadata.number_of_frames) and len(table.lengths) in {0, len(table.offsets)}
    if not fits or table.first + table.offsets[-1] + _ITEM_HEADER > version.total:
        return None
    return FileMap(version, header, table=table)


class HeaderProbe:
    """Reads the header of a file on a server, and its offset table, in as few pieces as it takes.

    Args:
        limits: Bounds for whatever the bytes claim.

    Attributes:
        wanted: The bytes to ask for next; `None` when there is nothing more to be known.
        file_map: What was found; `None` if the file can only be read whole.
    """

    def __init__(self, limits: Limits, piece: int) -> None:
        self.wanted: range | None = range(piece)
        self.file_map: FileMap | None = None
        self._limits = limits
        self._stream = ByteStream()
        self._parser = self._parse()
        self._pieces: list[bytes] | None = []
        self._header: Part10Header | None = None
        self._table: OffsetTable | None = None
        self._tries = 0

    @property
    def prefix(self) -> bytes | None:
        """The file's first bytes, all that came; `None` if others were skipped."""
        return None if self._pieces is None else b"".join(self._pieces)

    def feed(self, data: bytes, version: RemoteVersion) -> None:
        """Take the bytes that were wanted."""
        assert self.wanted is not None
        position = self.wanted.start + len(data)
        if self._pieces is not None:
            self._pieces.append(data)
        self._stream.fill(data)
        self._stream.ended = position >= version.total
        self._tries += 1
        try:
            next(self._parser)
            self._go_on(position, version.total)
        except StopIteration:
            self.wanted = None
            if self._header is not None:
                self.file_map = map_of(self._header, self._table, version)
        except ImageLoadError:  # whoever reads the whole file meets it again
            self.wanted = None

    def _go_on(self, position: int, total: int) -> None:
        assert self.wanted is not None
        start = max(position, self._stream.wanted_position)
        if start > position:
            self._pieces = None
        give_up = self._tries == _TRIES or start >= total
        self.wanted = None if give_up else range(start, min(total, start + 2 * len(self.wanted)))

    def _parse(self) -> Generator[None]:
        header = yield from read_header(self._stream, self._limits)
        if header.pixel_length is None:
            self._table = yield from read_offsets(self._stream, header, self._limits)
        self._header = header
