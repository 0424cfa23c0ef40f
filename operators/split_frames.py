"""`split_frames`: Part 10 files into their frames, each as soon as its bytes are there (PS3.10, PS3.5 annex A.4)."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, NoReturn, Protocol

import reactivex as rx

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.byte_stream import ByteStream
from cornerstream.operators.codestream_markers import codestream
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.fragments import read_offsets, walk_fragments
from cornerstream.operators.frame_grouper import FrameGrouper
from cornerstream.operators.native_frames import frame_metadata, native_layout
from cornerstream.operators.part10 import read_header

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.fragments import OffsetTable
    from cornerstream.operators.frame_grouper import Frame
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.part10 import Part10Header
    from cornerstream.operators.protocols import Body


class Piece(Protocol):
    """A piece of a file whose header has been read before."""

    def parse(self, stream: ByteStream, limits: Limits, frames: list[EncodedFrame]) -> Generator[None]:
        """Split it, as it is fed."""
        ...


class FrameSplitter:
    """Takes a Part 10 file in pieces of any size and gives out its frames; holds the bytes of unfinished frames only.

    Args:
        image_id: Errors name it.
        limits: Bounds for whatever the bytes claim.
        piece: What is fed is this piece of a file.

    Attributes:
        header: What stood in front of the pixels; `None` before it has come, and of a piece.
        table: The offset table of encapsulated pixel data; `None` before it has come.
    """

    def __init__(
        self, image_id: ImageId | None = None, limits: Limits = DEFAULT_LIMITS, piece: Piece | None = None
    ) -> None:
        self.header: Part10Header | None = None
        self.table: OffsetTable | None = None
        self._piece = piece
        self._image_id = image_id
        self._limits = limits
        self._stream = ByteStream()
        self._frames: list[EncodedFrame] = []
        self._parser: Generator[None] | None = self._parse()
        self._failure: ImageLoadError | None = None

    @property
    def metadata(self) -> InstanceMetadata | None:
        """What the header says, when it has come."""
        return None if self.header is None else self.header.metadata

    @property
    def done(self) -> bool:
        """Every frame was given out; what follows in the file does not matter."""
        return self._parser is None and self._failure is None

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._stream.buffered

    def feed(self, chunk: bytes) -> list[EncodedFrame]:
        """Take the bytes that come next; returns the frames that are complete now, in order.

        Raises:
            SplitError: It is not DICOM, has no pixel data, or its framing contradicts itself.
            LimitError: A limit is reached.
            UnsupportedTransferSyntaxError: A private transfer syntax, whose framing is not known.
        """
        if self._parser is None:
            return self._fail() if self._failure else []
        self._stream.feed(chunk)
        return self._advance()

    def close(self) -> list[EncodedFrame]:
        """The file ends here; returns the frames that were waiting for that.

        Raises:
            TruncatedError: The file ends before its last frame does.
            SplitError: As `feed`.
        """
        self._stream.ended = True
        return self._advance() if self._parser is not None else self.feed(b"")

    def discard(self) -> None:
        """Let go of the bytes held back: the traceback of an error that somebody keeps would hold them."""
        self._parser, self._stream, self._frames = None, ByteStream(), []

    def _advance(self) -> list[EncodedFrame]:
        assert self._parser is not None
        try:
            next(self._parser)
        except StopIteration:
            self._parser = None
            self._stream = ByteStream()
        except ImageLoadError as error:
            self._parser = None
            self._failure = error if self._image_id is None else error.about(self._image_id)
            if not self._frames:
                raise
        frames = list(self._frames)
        self._frames.clear()  # the parser goes on filling it
        return frames

    def _fail(self) -> NoReturn:
        assert self._failure is not None
        raise self._failure

    def _parse(self) -> Generator[None]:
        if self._piece is not None:
            yield from self._piece.parse(self._stream, self._limits, self._frames)
            return
        stream, frames = self._stream, self._frames
        header = yield from read_header(stream, self._limits)
        self.header, number_of_frames = header, header.metadata.number_of_frames
        if header.pixel_length is not None:
            yield from split_native(stream, header, range(1, number_of_frames + 1), frames)
            return
        self.table = yield from read_offsets(stream, header, self._limits)
        metadata = header.metadata.shared
        grouper = FrameGrouper(number_of_frames, codestream(metadata), self.table.offsets, self.table.lengths)
        found: list[Frame] = []
        walk = walk_fragments(stream, grouper, self._limits, found, keep_data=True)
        yield from split_encapsulated(walk, header, count(1), found, frames)


def split_native(
    stream: ByteStream, header: Part10Header, numbers: range, frames: list[EncodedFrame]
) -> Generator[None]:
    """Cut frames out of native pixel data.

    Args:
        stream: Is being fed, and does not stand behind the first of them.
        header: What stood in front.
        numbers: Of the frames.
        frames: Receives them.
    """
    layout = native_layout(header)
    for frame_number in numbers:
        offset, length = layout.place(frame_number - 1)
        stream.skip(offset - stream.position)
        yield from stream.need(length)
        # The last byte may belong to the next frame as well.
        following, _ = layout.place(frame_number)
        data = stream.peek(length) if following < offset + length else stream.take(length)
        frames.append(EncodedFrame(frame_metadata(header, frame_number), layout.cut(frame_number - 1, data)))


def split_encapsulated(
    walk: Generator[None], header: Part10Header, numbers: Iterator[int], found: list[Frame], frames: list[EncodedFrame]
) -> Generator[None]:
    """Make frames of what a walk over fragments finds.

    Args:
        walk: Finds them; see `walk_fragments`.
        header: What stood in front.
        numbers: Of the frames, one after the other.
        found: Where the walk leaves them.
        frames: Receives them.
    """
    waiting = True
    while waiting:
        try:
            waiting = next(walk, False) is None  # `None` asks for bytes
        finally:  # what was proven before a fault is given out before it
            for fragments, number in zip(found, numbers, strict=False):
                frames.append(EncodedFrame(header.metadata.frame(number), _joined(fragments)))
            found.clear()
        if waiting:
            yield


def _joined(fragments: Frame) -> bytes:
    if len(fragments) == 1:
        return fragments[0].data
    return b"".join(fragment.data for fragment in fragments)


def split_part10(body: bytes, image_id: ImageId | None = None, limits: Limits = DEFAULT_LIMITS) -> list[EncodedFrame]:
    """Split a whole Part 10 file into its frames.

    Args:
        body: The file.
        image_id: Errors name it.
        limits: Bounds for whatever the bytes claim.

    Raises:
        SplitError: It is not DICOM, has no pixel data, or its framing contradicts itself.
        TruncatedError: It ends before its last frame does.
        LimitError: A limit is reached.
    """
    splitter = FrameSplitter(image_id, limits)
    return [*splitter.feed(body), *splitter.close()]


def split_frames(limits: Limits = DEFAULT_LIMITS) -> Callable[[Observable[Body | bytes]], Observable[EncodedFrame]]:
    """Split Part 10 bodies into their frames, while they arrive.

    ::

        source   A───────────────B─────|
                 A's chunks, then B's
        result   ──a1──a2──a3|───b1|───|

    Order is the file's, one body after the other; a body is opened when its turn comes, one chunk is held at a time;
    dispose closes the open one. `bytes` are split at once.

    Args:
        limits: Bounds for whatever the bytes claim.
    """

    def split(body: Body | bytes) -> Observable[EncodedFrame]:
        if isinstance(body, bytes):
            return rx.defer(lambda _: rx.from_iterable(split_part10(body, limits=limits)))
        return from_async_generator(lambda: _split_body(body, limits))

    return concat_stage(split)


async def _split_body(body: Body, limits: Limits) -> AsyncGenerator[EncodedFrame, None]:
    started = perf_counter()
    splitter = FrameSplitter(body.image_id, limits)
    chunks = body.chunks()
    try:
        async for chunk in chunks:
            for frame in splitter.feed(chunk):
                yield replace(frame, timings={"fetch": perf_counter() - started})
        for frame in splitter.close():
            yield replace(frame, timings={"fetch": perf_counter() - started})
    finally:
        splitter.discard()
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
