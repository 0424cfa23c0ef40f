"""`read_file`: frames out of local Part 10 files, only their own bytes read.

An index says where every frame lies: by arithmetic for native pixel data, by walking the fragments' item headers for
encapsulated. It is built by the parsers that split a network body; they skip the pixels here. A deflated data set
(PS3.5 annex A.5) has no places to jump to: its frames are inflated from the beginning.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING

from reactivex import operators as ops

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, TruncatedError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.file_layout import check_not_empty, find_frames
from cornerstream.operators.fragments import check_fragment
from cornerstream.operators.local_file import FileVersion, opened, read_exactly, stat_file, version_of
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.native_frames import frame_metadata
from cornerstream.operators.part10 import DEFLATED
from cornerstream.operators.split_frames import FrameSplitter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.file_layout import Places
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.native_frames import NativeLayout
    from cornerstream.operators.part10 import AttributeReader, Part10Header
    from cornerstream.operators.protocols import Workers

_INFLATE_PIECE = 1 << 20
_DEFLATE_RATIO = 1033  # RFC 1951: two bits at best give the 258 bytes of the longest match


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Where the frames of a file lie; holds no descriptor.

    Attributes:
        version: The file it was made of; reading from a changed one is refused.
        header: What stands in front of the pixels.
        layout: Of native pixel data.
        fragments: Offset and length of each fragment, frame by frame, of encapsulated pixel data.
        limits: For inflating again.
    """

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
        """Read one frame; the descriptor is closed before it returns.

        Args:
            frame_number: Counts from 1.
            image_id: Errors name it.

        Raises:
            ImageIdError: The file does not have that frame.
            TruncatedError: The file is cut before the frame's end.
            FetchError: The file cannot be read, or has changed since the index was made.
        """
        started = perf_counter()
        with _naming(image_id), opened(self.version.path) as descriptor:
            if version_of(self.version.path, os.fstat(descriptor)) != self.version:
                raise FetchError(f"{self.version.path} has changed since it was opened; load it again")
            frame = self._read(descriptor, frame_number)
        return EncodedFrame(frame.metadata, frame.data, {"fetch": perf_counter() - started})

    def _read(self, descriptor: int, frame_number: int) -> EncodedFrame:
        metadata = frame_metadata(self.header, frame_number)  # refuses a number that is not there
        if metadata.transfer_syntax_uid == DEFLATED:
            return _inflated_frame(descriptor, self, frame_number)
        if self.layout is not None:
            data = read_exactly(descriptor, *self.layout.place(frame_number - 1))
            return EncodedFrame(metadata, self.layout.cut(frame_number - 1, data))
        pieces = [_fragment(descriptor, place) for place in self.fragments[frame_number - 1]]
        return EncodedFrame(metadata, pieces[0] if len(pieces) == 1 else b"".join(pieces))


def open_index(
    path: str | os.PathLike[str],
    limits: Limits = DEFAULT_LIMITS,
    image_id: ImageId | None = None,
    reader: AttributeReader = read_attributes,
) -> FrameIndex:
    """Find where the frames of a file lie; reads its header and the headers of its fragments.

    Args:
        path: A Part 10 file.
        limits: Bounds for whatever the file claims.
        image_id: Errors name it.
        reader: Makes metadata of the header's attributes.

    Raises:
        FetchError: The file cannot be read.
        SplitError: It is not DICOM, has no pixel data, or its framing contradicts itself.
        TruncatedError: Its header or a fragment is cut.
        LimitError: A limit is reached.
    """
    with _naming(image_id):
        name = stat_file(path).path
        with opened(name) as descriptor:
            return _index(descriptor, version_of(name, os.fstat(descriptor)), limits, reader)


def read_current(index: FrameIndex, frame_number: int, image_id: ImageId | None = None) -> EncodedFrame:
    """Read one frame of the file as it is now; the index of an earlier version is made anew.

    Args:
        index: Made of the file at any time.
        frame_number: Counts from 1.
        image_id: Errors name it.

    Raises:
        ImageLoadError: As `open_index` and `FrameIndex.read`.
    """
    with _naming(image_id):
        unchanged = stat_file(index.version.path) == index.version
    current = index if unchanged else open_index(index.version.path, index.limits, image_id)
    return current.read(frame_number, image_id)


def read_frame(
    frame_number: int, workers: Workers, image_id: ImageId | None = None
) -> Callable[[Observable[FrameIndex]], Observable[EncodedFrame]]:
    """Read one frame of each indexed file, as the file is now, on a worker.

    ::

        source   i────────j────|
        result   ────fi──────fj|     frame `frame_number` of i, of j

    Order is the source's; one read at a time; dispose drops a read that waits for a worker.

    Args:
        frame_number: Counts from 1.
        workers: Where reading may block.
        image_id: Errors name it.
    """
    return map_ordered(lambda index: workers.run(read_current, index, frame_number, image_id), 1)


def read_file(
    workers: Workers, limits: Limits = DEFAULT_LIMITS
) -> Callable[[Observable[str]], Observable[EncodedFrame]]:
    """Read every frame of each file on a worker, one after the other.

    ::

        source   p────────────q──────|
        result   ──p1──p2──p3────q1──|

    Order is the source's and the files'; one read at a time; dispose drops a read that waits for a worker.

    Args:
        workers: Where reading may block.
        limits: Bounds for whatever the files claim.
    """
    return ops.concat_map(lambda path: from_async_generator(lambda: _all_frames(path, workers, limits)))


async def _all_frames(path: str, workers: Workers, limits: Limits) -> AsyncGenerator[EncodedFrame, None]:
    index = await workers.run(open_index, path, limits)
    for frame_number in range(1, index.metadata.number_of_frames + 1):
        yield await workers.run(index.read, frame_number)


def _index(descriptor: int, version: FileVersion, limits: Limits, reader: AttributeReader) -> FrameIndex:
    check_not_empty(version.size, version.path)

    def read(count: int, position: int) -> bytes:
        """Where the parser wants to go on."""
        return os.pread(descriptor, count, position)

    found = find_frames(read, version.size, limits, reader)
    layout = found.layout
    if layout is not None and found.header.metadata.transfer_syntax_uid == DEFLATED:
        _check_deflated(layout, found.header, version.size, limits)
        layout = None
    return FrameIndex(version, found.header, layout, found.fragments, limits)


def _check_deflated(layout: NativeLayout, header: Part10Header, size: int, limits: Limits) -> None:
    """Refuse frames that cannot come out of a deflated file of that size, without inflating them."""
    end = sum(layout.place(header.metadata.number_of_frames - 1))
    if end - layout.start > limits.inflated_bytes:
        raise LimitError(f"the pixels inflate to more than {limits.inflated_bytes} bytes (limits.inflated_bytes)")
    if end - layout.start > _DEFLATE_RATIO * size:
        raise TruncatedError(f"the file has {size} bytes, which cannot inflate to its {end - layout.start} of pixels")


def _fragment(descriptor: int, place: tuple[int, int]) -> bytes:
    data = read_exactly(descriptor, *place)
    check_fragment(data)
    return data


def _inflated_frame(descriptor: int, index: FrameIndex, frame_number: int) -> EncodedFrame:
    return next(islice(_inflated_frames(descriptor, index), frame_number - 1, None))


def _inflated_frames(descriptor: int, index: FrameIndex) -> Iterator[EncodedFrame]:
    splitter = FrameSplitter(limits=index.limits)
    for offset in range(0, index.version.size, _INFLATE_PIECE):
        yield from splitter.feed(os.pread(descriptor, _INFLATE_PIECE, offset))
    yield from splitter.close()  # a frame that did not come is a TruncatedError


@contextmanager
def _naming(image_id: ImageId | None) -> Iterator[None]:
    try:
        yield
    except ImageLoadError as error:
        if image_id is not None:
            error.about(image_id)
        raise
