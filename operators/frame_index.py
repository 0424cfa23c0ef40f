"""Where the frames of a Part 10 file lie, on disk, in a store or in an archive; only their own bytes are read.

An index says where every frame lies: by arithmetic for native pixel data, by walking the fragments' item headers for
encapsulated. It is built by the parsers that split a network body; they skip the pixels here. A deflated data set
(PS3.5 annex A.5) has no places to jump to: its frames are inflated from the beginning.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, TruncatedError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_source import read_exactly
from cornerstream.operators.file_layout import check_not_empty, find_frames
from cornerstream.operators.fragments import check_fragment
from cornerstream.operators.local_file import local_file
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.native_frames import frame_metadata
from cornerstream.operators.part10 import DEFLATED
from cornerstream.operators.split_frames import FrameSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.operators.byte_source import ByteSource, FileVersion, OpenBytes
    from cornerstream.operators.file_layout import Places
    from cornerstream.operators.header_pattern import HeaderPattern
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.native_frames import NativeLayout
    from cornerstream.operators.part10 import AttributeReader, Part10Header

_INFLATE_PIECE = 1 << 20
_DEFLATE_RATIO = 1033  # RFC 1951: two bits at best give the 258 bytes of the longest match


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Where the frames of a file lie; holds nothing open.

    Attributes:
        source: The file.
        version: As it was when the index was made; reading from a changed one is refused.
        header: What stands in front of the pixels.
        layout: Of native pixel data.
        fragments: Offset and length of each fragment, frame by frame, of encapsulated pixel data.
        limits: For inflating again.
    """

    source: ByteSource
    version: FileVersion
    header: Part10Header = field(repr=False)
    layout: NativeLayout | None = None
    fragments: Sequence[Places] = field(default=(), repr=False)
    limits: Limits = field(default=DEFAULT_LIMITS, repr=False)

    @property
    def metadata(self) -> InstanceMetadata:
        """What the header says."""
        return self.header.metadata

    @property
    def nbytes(self) -> int:
        """Bytes held, near enough for a budget."""
        return self.metadata.nbytes + sum(64 + 128 * len(places) for places in self.fragments)

    def read(self, frame_number: int, image_id: ImageId | None = None) -> EncodedFrame:
        """Read one frame; the file is closed before it returns.

        Args:
            frame_number: Counts from 1.
            image_id: Errors name it.

        Raises:
            ImageIdError: The file does not have that frame.
            TruncatedError: The file is cut before the frame's end.
            FetchError: The file cannot be read, or has changed since the index was made.
        """
        started = perf_counter()
        with _naming(image_id), self.source.opened() as opened:
            if opened.version != self.version:
                raise FetchError(f"{self.source.name} has changed since it was opened; load it again")
            return self._read(opened, frame_number, started)

    def read_current(self, frame_number: int, image_id: ImageId | None = None) -> EncodedFrame:
        """Read one frame of the file as it is now; the index of an earlier version is made anew.

        Raises:
            ImageLoadError: As `open_index` and `read`.
        """
        started = perf_counter()
        with _naming(image_id), self.source.opened() as opened:
            unchanged = opened.version == self.version
            current = self if unchanged else _index(self.source, opened, self.limits)
            return current._read(opened, frame_number, started)  # noqa: SLF001 - one of its own kind

    def _read(self, opened: OpenBytes, frame_number: int, started: float) -> EncodedFrame:
        metadata = frame_metadata(self.header, frame_number)  # refuses a number that is not there
        data = self._bytes(opened, frame_number, metadata)
        return EncodedFrame(metadata, data, {"fetch": perf_counter() - started})

    def _bytes(self, opened: OpenBytes, frame_number: int, metadata: FrameMetadata) -> bytes | memoryview:
        if metadata.transfer_syntax_uid == DEFLATED:
            return _inflated_frame(opened, self, frame_number).data
        if self.layout is not None:
            data = read_exactly(opened, *self.layout.place(frame_number - 1))
            return self.layout.cut(frame_number - 1, data)
        pieces = [_fragment(opened, place) for place in self.fragments[frame_number - 1]]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def open_index(
    path: str | PathLike[str],
    limits: Limits = DEFAULT_LIMITS,
    image_id: ImageId | None = None,
    reader: AttributeReader = read_attributes,
) -> FrameIndex:
    """Find where the frames of a local file lie; see `open_source`.

    Args:
        path: A Part 10 file.
        limits: Bounds for whatever the file claims.
        image_id: Errors name it.
        reader: Makes metadata of the header's attributes.
    """
    return open_source(local_file(path), limits, image_id, reader)


def open_source(
    source: ByteSource,
    limits: Limits = DEFAULT_LIMITS,
    image_id: ImageId | None = None,
    reader: AttributeReader = read_attributes,
    pattern: HeaderPattern | None = None,
) -> FrameIndex:
    """Find where the frames of a file lie; reads its header and the headers of its fragments.

    Args:
        source: A Part 10 file.
        limits: Bounds for whatever the file claims.
        image_id: Errors name it.
        reader: Makes metadata of the header's attributes.
        pattern: What is known of headers like its own.

    Raises:
        FetchError: The file cannot be read.
        SplitError: It is not DICOM, has no pixel data, or its framing contradicts itself.
        TruncatedError: Its header or a fragment is cut.
        LimitError: A limit is reached.
    """
    with _naming(image_id), source.opened() as opened:
        return _index(source, opened, limits, reader, pattern)


def _index(
    source: ByteSource,
    opened: OpenBytes,
    limits: Limits,
    reader: AttributeReader = read_attributes,
    pattern: HeaderPattern | None = None,
) -> FrameIndex:
    version = opened.version
    check_not_empty(version.size, source.name)
    found = find_frames(opened.read, version.size, limits, reader, pattern)
    layout = found.layout
    if layout is not None and found.header.metadata.transfer_syntax_uid == DEFLATED:
        _check_deflated(layout, found.header, version.size, limits)
        layout = None
    return FrameIndex(source, version, found.header, layout, found.fragments, limits)


def _check_deflated(layout: NativeLayout, header: Part10Header, size: int, limits: Limits) -> None:
    """Refuse frames that cannot come out of a deflated file of that size, without inflating them."""
    end = sum(layout.place(header.metadata.number_of_frames - 1))
    if end - layout.start > limits.inflated_bytes:
        raise LimitError(f"the pixels inflate to more than {limits.inflated_bytes} bytes (limits.inflated_bytes)")
    if end - layout.start > _DEFLATE_RATIO * size:
        raise TruncatedError(f"the file has {size} bytes, which cannot inflate to its {end - layout.start} of pixels")


def _fragment(opened: OpenBytes, place: tuple[int, int]) -> bytes:
    data = read_exactly(opened, *place)
    check_fragment(data)
    return data


def _inflated_frame(opened: OpenBytes, index: FrameIndex, frame_number: int) -> EncodedFrame:
    return next(islice(_inflated_frames(opened, index), frame_number - 1, None))


def _inflated_frames(opened: OpenBytes, index: FrameIndex) -> Iterator[EncodedFrame]:
    splitter = FrameSplitter(limits=index.limits)
    for offset in range(0, index.version.size, _INFLATE_PIECE):
        yield from splitter.feed(opened.read(_INFLATE_PIECE, offset))
    yield from splitter.close()  # a frame that did not come is a TruncatedError


@contextmanager
def _naming(image_id: ImageId | None) -> Iterator[None]:
    try:
        yield
    except ImageLoadError as error:
        if image_id is not None:
            error.about(image_id)
        raise
