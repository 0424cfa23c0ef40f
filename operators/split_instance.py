"""`split_instance`: the answer to the retrieval of one instance into its frames (PS3.18 sections 8.7.3 and 10.4.1.1.1)."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.multipart import MultipartSplitter
from cornerstream.operators.parts import PartBody
from cornerstream.operators.split_frames import FrameSplitter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.parts import Rooms
    from cornerstream.operators.read_wanted import FileWish
    from cornerstream.operators.split_multipart import OpenableBody


class InstanceSplitter:
    """Takes an answer in pieces of any size and gives out the frames of its one file; holds unfinished frames only.

    The answer is multipart with one part, or is the file itself.

    Args:
        content_type: The Content-Type field of the response.
        image_id: Errors name it.
        limits: Bounds for whatever the bytes claim; the file is as large as `response_bytes` allow.

    Raises:
        SplitError: As `MultipartSplitter`.
    """

    def __init__(self, content_type: str, image_id: ImageId | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self._file: FrameSplitter | None = None
        self._image_id = image_id
        self._limits = limits
        self._frames: list[EncodedFrame] = []
        self._failure: ImageLoadError | None = None
        whole = replace(limits, part_bytes=limits.response_bytes)  # no part is held
        self._parts = MultipartSplitter(content_type, whole, self._begin)

    def feed(self, chunk: bytes) -> list[EncodedFrame]:
        """Take the bytes that come next; returns the frames that are complete now, in order.

        Raises:
            SplitError: There are several parts, the framing contradicts itself, or it is no DICOM file with pixels.
            TruncatedError: The part ends before its last frame does.
            LimitError: A limit is reached.
        """
        return self._after(lambda: self._parts.feed(chunk))

    def close(self) -> list[EncodedFrame]:
        """The answer ends here; returns the frames that were waiting for that. Raises as `feed`."""
        return self._after(self._parts.close)

    def discard(self) -> None:
        """Let go of the bytes held back: the traceback of an error that somebody keeps would hold them."""
        self._parts.discard()
        self._frames = []
        if self._file is not None:
            self._file.discard()

    def _after(self, step: Callable[[], object]) -> list[EncodedFrame]:
        """What is complete after a step; what was proven before a fault is given out before it."""
        try:
            if self._failure is None:
                step()
        except ImageLoadError as error:
            self._failure = error if self._image_id is None else error.about(self._image_id)
        frames, self._frames = self._frames, []
        if self._failure is not None and not frames:
            raise self._failure
        return frames

    def _begin(self, headers: Mapping[str, str], limits: Limits, _: Rooms) -> PartBody:
        if self._file is not None:
            raise SplitError("the answer has several parts where one instance was asked for")
        self._file = FrameSplitter(self._image_id, self._limits)
        return _FileBody(headers, limits, self._file, self._frames_of)

    def _frames_of(self, frames: list[EncodedFrame]) -> None:
        self._frames += frames


class _FileBody(PartBody):
    """A part whose bytes are split as they come, and not held."""

    __slots__ = ("_file", "_found")

    def __init__(
        self,
        headers: Mapping[str, str],
        limits: Limits,
        file: FrameSplitter,
        found: Callable[[list[EncodedFrame]], None],
    ) -> None:
        super().__init__(headers, limits)
        self._file = file
        self._found = found

    def write(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        end = len(data) if end is None else end
        self.count(end - start)
        self._found(self._file.feed(data[start:end]))

    def room(self) -> None:
        """Every byte goes through the file's parser."""

    def close(self) -> bytes | memoryview:
        self._found(self._file.close())
        return super().close()


def split_instance(
    limits: Limits = DEFAULT_LIMITS, wish: FileWish | None = None
) -> Callable[[Observable[OpenableBody]], Observable[EncodedFrame]]:
    """Split answers that are one instance each into its frames, while they arrive.

    ::

        source   A─────────────────B─────|
        result   ────a1──a2──a3──────b1──|

    Order is the file's, one response after the other; one chunk is held at a time; dispose closes the open one.

    Args:
        limits: Bounds for whatever the bytes claim.
        wish: Nothing is read while it is not ready for the next frame.
    """
    return concat_stage(lambda body: from_async_generator(lambda: _frames_of(body, limits, wish)))


async def _frames_of(body: OpenableBody, limits: Limits, wish: FileWish | None) -> AsyncGenerator[EncodedFrame, None]:
    started = perf_counter()
    if wish is not None:
        wish.read_whole()
    async with body.open() as response, aclosing(response.chunks()) as chunks:
        splitter = InstanceSplitter(response.headers.get("Content-Type", ""), body.image_id, limits)
        try:
            async for chunk in chunks:
                for frame in splitter.feed(chunk):
                    if wish is not None:
                        await wish.ready()
                    yield replace(frame, timings={"fetch": perf_counter() - started})
                if wish is not None:
                    await wish.ready()
            for frame in splitter.close():
                yield replace(frame, timings={"fetch": perf_counter() - started})
        finally:
            splitter.discard()
