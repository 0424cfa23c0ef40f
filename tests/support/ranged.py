"""A file server in memory, with ranges, that lies when a test wants it to; and files of every layout."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from multidict import CIMultiDict

from cornerstream.images.errors import HttpStatusError
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, IMPLICIT, JPEG, RLE, encapsulated, jpeg_like, native, rle_like

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from cornerstream.operators.protocols import HttpRequest

MIB = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What the server is about to answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    content_length: int | None = None

    def but(self, status: int | None = None, body: bytes | None = None, **fields: str) -> Answer:
        """The same, but for some of it; underscores in names of fields stand for hyphens."""
        headers = self.headers | {name.replace("_", "-"): value for name, value in fields.items()}
        return replace(self, status=status or self.status, headers=headers, body=self.body if body is None else body)


@dataclass
class RangedServer:
    """A transport that answers every request with one file.

    Attributes:
        body: The file.
        etag: Its version; without one there are no ranges.
        chunk: Bytes of a chunk.
        change: What becomes of the nth answer.
        asked: The ranges that were asked for, `None` for the whole.
        sent: Bytes of bodies that were read.
        open: Responses that are open now.
        hold: The nth answer stops before its last chunk, until it is closed.
        held: Set when it has stopped.
    """

    body: bytes
    etag: str = '"v1"'
    chunk: int = 1 << 14
    change: Callable[[int, Answer], Answer] = lambda _, answer: answer
    asked: list[range | None] = field(default_factory=list)
    sent: int = 0
    open_now: int = 0
    hold: int | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[RangedResponse]:
        number = len(self.asked)
        self.asked.append(request.byte_range)
        answer = self.change(number, self._answer(request))
        if answer.status not in {200, 206}:
            raise HttpStatusError("refused", status=answer.status)
        self.open_now += 1
        try:
            await asyncio.sleep(0)
            yield RangedResponse(self, answer, holds=number == self.hold)
        finally:
            self.open_now -= 1

    def _answer(self, request: HttpRequest) -> Answer:
        headers = {"ETag": self.etag, "Accept-Ranges": "bytes"}
        asked = request.byte_range
        if asked is None or request.headers.get("If-Range", self.etag) != self.etag:
            return Answer(200, headers, self.body, len(self.body))
        if asked.start >= len(self.body):
            return Answer(416, {}, b"")
        part = self.body[asked.start : asked.stop]
        headers["Content-Range"] = f"bytes {asked.start}-{asked.start + len(part) - 1}/{len(self.body)}"
        return Answer(206, headers, part, len(part))


class RangedResponse:
    def __init__(self, server: RangedServer, answer: Answer, *, holds: bool) -> None:
        self._server = server
        self._answer = answer
        self._holds = holds

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return CIMultiDict(self._answer.headers)

    @property
    def content_length(self) -> int | None:
        return self._answer.content_length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        body, size = self._answer.body, self._server.chunk
        for start in range(0, len(body), size):
            if self._holds and start + size >= len(body):
                self._server.held.set()
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            self._server.sent += len(body[start : start + size])
            yield body[start : start + size]


def large_native(frames: int, side: int = 64) -> tuple[bytes, list[bytes]]:
    """A native file of 16-bit frames that are all different, and their bytes."""
    found = [struct.pack("<H", number) * (side * side) for number in range(1, frames + 1)]
    body = native(
        b"".join(found),
        vr="OW",
        NumberOfFrames=frames,
        Rows=side,
        Columns=side,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
    )
    return body, found


def large_encapsulated(frames: int, size: int = 1 << 15, *, extended: bool = False) -> tuple[bytes, list[bytes]]:
    """An encapsulated file with an offset table, of frames that only look like JPEG."""
    found = [jpeg_like(struct.pack("<I", number) * (size // 4)) for number in range(1, frames + 1)]
    return (with_extended_table(found) if extended else encapsulated(found)), found


def with_extended_table(frames: list[bytes]) -> bytes:
    """A file whose offset table is an extended one."""
    from pydicom.encaps import encapsulate_extended  # noqa: PLC0415 - slow to import

    from tests.support.part10 import image_data_set, written  # noqa: PLC0415 - as above

    data_set = image_data_set(JPEG, NumberOfFrames=len(frames))
    data_set.PixelData, data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    return written(data_set)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file of several frames, of any layout that tells where they lie."""
    count = draw(st.integers(2, 7))
    kind = draw(st.sampled_from(["bytes", "words", "bits", "jpeg", "rle", "extended"]))
    seeds = draw(st.lists(st.binary(min_size=4, max_size=120), min_size=count, max_size=count))
    if kind == "bytes":
        syntax = draw(st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN]))
        vr = "OW" if syntax != EXPLICIT else "OB"
        rows = draw(st.integers(1, 5))
        pixels = (b"".join(seeds) * 60)[: count * rows * 4]
        return native(pixels, syntax, vr=vr, NumberOfFrames=count, Rows=rows)
    if kind == "words":
        pixels = (b"".join(seeds) * 40)[: count * 16]
        return native(pixels, vr="OW", NumberOfFrames=count, BitsAllocated=16, BitsStored=16, HighBit=15)
    if kind == "bits":
        rows = draw(st.integers(1, 9))
        length = -(-count * rows * 5 // 8)
        pixels = (b"".join(seeds) * 20)[: length + length % 2]
        return native(pixels, NumberOfFrames=count, Rows=rows, Columns=5, BitsAllocated=1, BitsStored=1, HighBit=0)
    if kind == "rle":
        return encapsulated([rle_like(seed) for seed in seeds], RLE)
    frames = [jpeg_like(seed) for seed in seeds]
    if kind == "extended":
        return with_extended_table(frames)
    return encapsulated(frames, fragments_per_frame=draw(st.integers(1, 3)))
