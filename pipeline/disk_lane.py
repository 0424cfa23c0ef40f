"""The disk cache as loads see it: beside the loop, in front of the network lane."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from time import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from reactivex import operators as ops

from cornerstream.disk import Stored
from cornerstream.images.errors import HttpStatusError
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.byte_ranges import is_partial
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.http_rules import merge_headers
from cornerstream.operators.parts import Part

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from reactivex import Observable

    from cornerstream.disk import DiskCache
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.protocols import HttpRequest, HttpResponse, Transport

_FIELDS = ("content-type", "etag", "last-modified")
_MOST_BYTES = 32 << 20  # of one answer: it is held until it is complete
_PENDING_BYTES = 64 << 20  # of all that waits to be written; a slow disk does not hold up the network


class DiskLane:
    """Reads and writes of one session, on threads of its own. Touched on the loop only.

    Args:
        disk: Where to.
        report: Hears of what could not be written.
    """

    def __init__(self, disk: DiskCache, report: Callable[[str, BaseException], None]) -> None:
        self._disk = disk
        self._report = report
        self._threads = ThreadPoolExecutor(2, "cornerstream-disk")
        self._reads: set[Future[Stored | None]] = set()
        self._writes: set[asyncio.Future[None]] = set()
        self._pending = 0
        self._forbidden: set[str] = set()
        self.hits = 0

    async def get(self, key: str) -> Stored | None:
        """What is stored; a disk that cannot be read is one that has nothing, and is reported."""
        read = self._threads.submit(self._disk.get, key)
        self._reads.add(read)
        read.add_done_callback(self._reads.discard)
        try:
            return await asyncio.wrap_future(read)
        except OSError as error:
            self._report("the disk cache cannot be read", error)
            return None

    def put(self, key: str, stored: Stored) -> None:
        """Store it when there is time."""
        size = len(stored.data)
        if size > _MOST_BYTES or self._pending + size > _PENDING_BYTES:
            return
        self._pending += size
        write = asyncio.get_running_loop().run_in_executor(self._threads, self._disk.put, key, stored)
        self._writes.add(write)
        write.add_done_callback(lambda done: self._written(done, size))

    def trusts(self, stored: Stored, url: str) -> bool:
        """It may be used without asking the server."""
        if "etag" in stored.fields or "last-modified" in stored.fields:
            return False
        return is_instance(url) or 0 <= time() - stored.when < self._disk.valid_seconds

    def forbid(self, url: str) -> None:
        """A server does not want what it answers there to be stored."""
        self._forbidden.add(url)

    def part(self, image_id: ImageId, source: Observable[Part]) -> Observable[Part]:
        """The stored part of a frame, which its SOP Instance UID says once and for all; else that of the source."""
        key = f"part {image_id.scheme}:{image_id.address} {image_id.number}"

        def choose(stored: Stored | None) -> Observable[Part]:
            if stored is None:
                return source.pipe(ops.do_action(keep))
            self.hits += 1
            return from_coroutine(lambda: _at_once(Part(stored.fields, stored.data)))

        def keep(part: Part) -> None:
            if image_id.address not in self._forbidden:
                self.put(key, Stored(dict(part.headers), bytes(part.data)))

        return from_coroutine(lambda: self.get(key)).pipe(concat_stage(choose))

    async def aclose(self) -> None:
        """Let what is being written be written, and end the threads; a slow disk does not hold up the loop."""
        await self.settled()
        await asyncio.gather(*(asyncio.wrap_future(read) for read in tuple(self._reads)), return_exceptions=True)
        self._threads.shutdown()

    async def settled(self) -> None:
        """Wait until all is written."""
        while self._writes:
            await asyncio.wait(self._writes)

    def _written(self, write: asyncio.Future[None], size: int) -> None:
        self._writes.discard(write)
        self._pending -= size
        error = None if write.cancelled() else write.exception()
        if error is not None:
            self._report("the disk cache could not store an answer", error)


class DiskTransport:
    """A transport that asks the disk first, and the server on condition that its answer has changed.

    Args:
        transport: The network.
        lane: The disk.
    """

    def __init__(self, transport: Transport, lane: DiskLane) -> None:
        self._transport = transport
        self._lane = lane

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        """Open what is stored, or the request."""
        async with AsyncExitStack() as stack:
            if request.late_url is None:
                yield await self._open(request, stack)
            else:  # a list of frames: each is stored for itself
                response = await stack.enter_async_context(self._transport.open(request))
                if not is_storable(response.headers):
                    self._lane.forbid(request.url)
                yield response

    async def _open(self, request: HttpRequest, stack: AsyncExitStack) -> HttpResponse:
        key = f"body {request.url} {request.headers.get('Accept')}"
        stored = await self._lane.get(key)
        if stored is not None and self._lane.trusts(stored, request.url):
            return self._hit(stored)
        condition = {} if stored is None else conditions(stored.fields)
        asked = replace(request, headers=merge_headers(request.headers, condition))
        try:
            response = await stack.enter_async_context(self._transport.open(asked))
        except HttpStatusError as error:
            if stored is None or not condition or error.status != 304:
                raise
            return self._hit(stored)
        whole = is_storable(response.headers) and not is_partial(response)
        return _Recorded(response, key, self._lane) if whole else response

    def _hit(self, stored: Stored) -> HttpResponse:
        self._lane.hits += 1
        return _StoredResponse(stored)


def is_storable(fields: Mapping[str, str]) -> bool:
    """The server does not forbid it (RFC 9111, section 5.2.2.5)."""
    return "no-store" not in fields.get("Cache-Control", "").lower()


def conditions(fields: Mapping[str, str]) -> dict[str, str]:
    """Header fields that ask for what has changed only (RFC 9110, section 13.1)."""
    names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return {asked: fields[name] for name, asked in names.items() if name in fields}


def is_instance(url: str) -> bool:
    """The URL names one SOP instance, which never changes: WADO-RS by its path, WADO-URI by objectUID.

    >>> is_instance("https://pacs/studies/1.2/series/1.3/instances/1.4/metadata")
    True
    >>> is_instance("https://pacs/studies/1.2/series/1.3/metadata")
    False
    """
    split = urlsplit(url)
    parts = split.path.split("/")
    by_path = any(parts[at : at + 5 : 2] == ["studies", "series", "instances"] for at in range(len(parts) - 5))
    return by_path or any(name == "objectUID" for name, _ in parse_qsl(split.query))


@dataclass(frozen=True, slots=True)
class _StoredResponse:
    """What is stored, as a response."""

    stored: Stored

    @property
    def headers(self) -> Mapping[str, str]:
        from multidict import CIMultiDict  # noqa: PLC0415 - importing cornerstream stays quick

        return CIMultiDict(self.stored.fields)

    @property
    def content_length(self) -> int | None:
        return len(self.stored.data)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self.stored.data


class _Recorded:
    """A response that is stored once its body has come to its end."""

    def __init__(self, response: HttpResponse, key: str, lane: DiskLane) -> None:
        self._response = response
        self._key = key
        self._lane = lane

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def content_length(self) -> int | None:
        return self._response.content_length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        held: list[bytes] | None = []
        size = 0
        async with aclosing(self._response.chunks()) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > _MOST_BYTES:
                    held = None
                if held is not None:
                    held.append(chunk)
                yield chunk
        if held is not None:
            fields = {name: value for name in _FIELDS if (value := self.headers.get(name)) is not None}
            self._lane.put(self._key, Stored(fields, b"".join(held)))


async def _at_once(part: Part) -> Part:
    return part
