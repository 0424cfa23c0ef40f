"""`read_wanted`: frames of a Part 10 file on a server, the wanted ones by their own bytes where that pays (RFC 9110)."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import HttpStatusError, ImageLoadError
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.byte_ranges import (
    RangeRefusedError,
    WholeFileWantedError,
    check_partial,
    is_partial,
    version_of_answer,
)
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.file_map import HeaderProbe, MappedPiece, map_of
from cornerstream.operators.http_rules import merge_headers
from cornerstream.operators.split_frames import FrameSplitter, split_frames, split_part10

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_ranges import RemoteVersion
    from cornerstream.operators.fetch import Body
    from cornerstream.operators.file_map import FileMap
    from cornerstream.operators.protocols import HttpResponse

HEADER_PIECE = 1 << 16
_NOT_SATISFIABLE = 416


class FileWish(Protocol):
    """What is wanted of a file: asked as late as possible, since others may want more of it until then."""

    @property
    def whole(self) -> bool:
        """The whole file is wanted, or nothing else can be had."""
        ...

    @property
    def file_map(self) -> FileMap | None:
        """Where its frames lie, if that is known already."""
        ...

    def settle(self, file_map: FileMap) -> range | None:
        """Which neighbouring frames to read; `None`: the whole file after all."""
        ...

    def read_whole(self, *, refused: bool = False) -> None:
        """Hear that the whole file is being read, and what was known of it does not hold.

        Args:
            refused: The server would not let it be read otherwise.
        """
        ...

    async def ready(self) -> None:
        """Wait until there is room for the next frame; nothing is read meanwhile."""
        ...

    def mapped(self, file_map: FileMap) -> None:
        """Hear where the frames lie of the file that is being read whole."""
        ...


def read_wanted(limits: Limits, wish: FileWish | None = None) -> Callable[[Observable[Body]], Observable[EncodedFrame]]:
    """Read the wanted frames of each file, or all of them.

    ::

        source   A─────────────────|
        result   ────a7──a8──a9────|     the bytes of A's header, unless they are known, then those of frames 7 to 9
        result   ──a1──a2──a3──…───|     where the server answers with the whole file, or with what is not that range

    Order is the file's; one request at a time; dispose closes the open one. Frames may come twice where ranges turn out
    to be wrong after the first of them.

    Args:
        limits: Bounds for whatever the bytes claim.
        wish: What is wanted; everything if it is `None`.
    """
    if wish is None:
        return split_frames(limits)
    return concat_stage(lambda body: from_async_generator(lambda: _Reading(body, limits, wish).frames()))


class _Reading:
    """One reading of one file."""

    def __init__(self, body: Body, limits: Limits, wish: FileWish) -> None:
        self._body = body
        self._limits = limits
        self._wish = wish
        self._started = perf_counter()

    async def frames(self) -> AsyncGenerator[EncodedFrame, None]:
        """By ranges while the server plays along, else the whole file."""
        if not self._wish.whole:
            try:
                async with aclosing(self._by_ranges()) as frames:
                    async for frame in frames:
                        yield self._timed(frame)
            except WholeFileWantedError:
                pass
            except RangeRefusedError as refusal:
                self._wish.read_whole(refused=refusal.lasting)
            else:
                return
        async with self._body.open() as response, aclosing(self._whole(response)) as frames:
            async for frame in frames:
                yield self._timed(frame)

    def _by_ranges(self) -> AsyncGenerator[EncodedFrame, None]:
        file_map = self._wish.file_map
        if file_map is None:
            return self._opened()
        numbers = self._wish.settle(file_map)
        if numbers is None:
            raise WholeFileWantedError
        return self._piece(file_map, numbers)

    async def _opened(self) -> AsyncGenerator[EncodedFrame, None]:
        """Read the header; then what is wanted."""
        probe, version = HeaderProbe(self._limits, HEADER_PIECE), None
        while probe.wanted is not None:
            async with self._asked(probe.wanted, version) as response:
                if not is_partial(response):
                    self._wish.read_whole()
                    async with aclosing(self._whole(response)) as frames:
                        async for frame in frames:
                            yield frame
                    return
                version = check_partial(response, probe.wanted, version)
                probe.feed(await _read_exactly(response, _within(probe.wanted, version)), version)
        assert version is not None
        async with aclosing(self._chosen(probe, version)) as frames:
            async for frame in frames:
                yield frame

    def _chosen(self, probe: HeaderProbe, version: RemoteVersion) -> AsyncGenerator[EncodedFrame, None]:
        file_map, prefix = probe.file_map, probe.prefix
        numbers = None if file_map is None else self._wish.settle(file_map)
        if file_map is not None and numbers is not None:
            return self._piece(file_map, numbers)
        if file_map is None:
            self._wish.read_whole()
        if prefix is None or version.total > self._limits.response_bytes:
            raise WholeFileWantedError
        return self._rest(prefix, version)

    async def _rest(self, prefix: bytes, version: RemoteVersion) -> AsyncGenerator[EncodedFrame, None]:
        """The whole file, whose first bytes are here."""
        if len(prefix) == version.total:
            for frame in split_part10(prefix, self._body.image_id, self._limits):
                yield frame
            return
        asked = range(len(prefix), version.total)
        async with self._asked(asked, version) as response:
            if is_partial(response):
                check_partial(response, asked, version)
            else:  # it has changed, or the server has changed its mind
                self._wish.read_whole()
                prefix = b""
            async with aclosing(self._whole(response, prefix)) as frames:
                async for frame in frames:
                    yield frame

    async def _piece(self, file_map: FileMap, numbers: range) -> AsyncGenerator[EncodedFrame, None]:
        """Neighbouring frames."""
        asked = file_map.span(numbers[0], numbers[-1])
        async with self._asked(asked, file_map.version) as response:
            if is_partial(response):
                check_partial(response, asked, file_map.version)
                reading = self._mapped(response, file_map, numbers)
            else:
                self._wish.read_whole()
                reading = self._whole(response)
            async with aclosing(reading) as frames:
                async for frame in frames:
                    yield frame

    async def _mapped(
        self, response: HttpResponse, file_map: FileMap, numbers: range
    ) -> AsyncGenerator[EncodedFrame, None]:
        splitter = FrameSplitter(self._body.image_id, self._limits, MappedPiece(file_map, numbers))
        missing, left = len(numbers), len(file_map.span(numbers[0], numbers[-1]))
        try:
            async with aclosing(response.chunks()) as chunks:
                async for chunk in chunks:
                    left -= len(chunk)
                    for frame in _fed(splitter, chunk):
                        missing -= 1
                        yield frame
                    if left < 0:
                        break
            if left or missing:
                raise RangeRefusedError("the range is not as long as it says, or lacks frames", lasting=bool(left))
        finally:
            splitter.discard()

    async def _whole(self, response: HttpResponse, prefix: bytes = b"") -> AsyncGenerator[EncodedFrame, None]:
        """Every frame of a body, as it arrives."""
        splitter = FrameSplitter(self._body.image_id, self._limits)
        told = False
        try:
            for frame in splitter.feed(prefix):
                yield frame
            async with aclosing(response.chunks()) as chunks:
                async for chunk in chunks:
                    for frame in splitter.feed(chunk):
                        told = told or self._tell(splitter, response)
                        await self._wish.ready()
                        yield frame
                    await self._wish.ready()
            for frame in splitter.close():
                yield frame
        finally:
            splitter.discard()

    def _tell(self, splitter: FrameSplitter, response: HttpResponse) -> bool:
        """Whoever wants a frame that is far from coming may have it by its range."""
        fields, header = response.headers, splitter.header
        length = response.content_length
        if header is None or header.metadata.number_of_frames == 1 or length is None or is_partial(response):
            return True
        version = version_of_answer(fields, length)
        if version is not None and fields.get("Accept-Ranges", "").strip().lower() == "bytes":
            file_map = map_of(header, splitter.table, version)
            if file_map is not None:
                self._wish.mapped(file_map)
        return True

    @asynccontextmanager
    async def _asked(self, wanted: range, version: RemoteVersion | None) -> AsyncIterator[HttpResponse]:
        """Ask for a range of the file as it was before; whoever has changed it sends the whole."""
        request = self._body.request
        condition = {} if version is None else {"If-Range": version.validator}
        asked = replace(request, headers=merge_headers(request.headers, condition), byte_range=wanted)
        try:
            async with self._body.http.open(asked) as response:
                yield response
        except HttpStatusError as error:
            if error.status != _NOT_SATISFIABLE:
                raise
            raise RangeRefusedError("the server cannot satisfy a range that the file has", lasting=True) from error

    def _timed(self, frame: EncodedFrame) -> EncodedFrame:
        return replace(frame, timings={"fetch": perf_counter() - self._started})


def _within(asked: range, version: RemoteVersion) -> int:
    return min(asked.stop, version.total) - asked.start


def _fed(splitter: FrameSplitter, chunk: bytes) -> list[EncodedFrame]:
    """Bytes of a piece that make no sense where the map says refute the map, not the file."""
    try:
        return splitter.feed(chunk)
    except ImageLoadError as error:
        raise RangeRefusedError("the frames do not lie where the file says", lasting=False) from error


async def _read_exactly(response: HttpResponse, count: int) -> bytes:
    data = bytearray()
    async with aclosing(response.chunks()) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > count:
                break
    if len(data) != count:
        raise RangeRefusedError("a range is not as long as it says", lasting=True)
    return bytes(data)
