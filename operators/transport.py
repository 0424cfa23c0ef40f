"""`AiohttpTransport`: requests over aiohttp, with framing proven, limits kept, and credentials held to their origin."""

from __future__ import annotations

from asyncio import sleep, timeout
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Self

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_ranges import range_field
from cornerstream.operators.content_encoding import Inflater
from cornerstream.operators.fetch_errors import fetch_error
from cornerstream.operators.http_rules import (
    REDIRECTS,
    by_origin,
    describe,
    harmless,
    merge_headers,
    origin_of,
    parse_url,
    redirect_target,
    status_error,
    take_credentials,
)
from cornerstream.operators.name_lookup import NameLookup

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from ssl import SSLContext

    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

    from cornerstream.operators.protocols import HttpRequest

_PIECE_BYTES = 1 << 15  # less than that is a trickle, which is let gather for a moment if there is more to come
_PIECE_SECONDS = 0.002
_ALWAYS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "cornerstream"}


class AiohttpTransport:
    """Opens requests over one aiohttp session, which is made on the loop that first needs it.

    Any number of requests run at once; whoever wants a bound puts a lane in front. Cookies are neither kept nor sent.
    A body that ends with its connection (no Content-Length, not chunked) has no framing here: who reads it must prove
    that it is complete by its own structure.

    Args:
        limits: `response_bytes`, `response_seconds`, `response_header_bytes`, `response_headers`, `redirects`,
            `connect_seconds` and `read_seconds` hold here.
        headers: Header fields, credentials above all, by the origin (`https://host:port`) they belong to; they are sent
            nowhere else.
        ssl: A context for https; the system's authorities are trusted without one.
        cross_origin_redirects: Follow redirects to other origins. What belongs to the first origin does not travel.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        ssl: SSLContext | None = None,
        cross_origin_redirects: bool = False,
    ) -> None:
        self._limits = limits
        self._headers = by_origin(headers or {})
        self._ssl = ssl
        self._cross_origin = cross_origin_redirects
        self._names = NameLookup()
        self._session: ClientSession | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<AiohttpTransport, credentials for {len(self._headers)} origins>"  # repr ends in logs: no values

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; requests in flight fail. May be called more than once."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._names.close()

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[AiohttpResponse]:
        """Open a request and wait for the header of a 200, or of the 206 that a request for a range asks for.

        Leaving closes the socket at once if the body was not read to its end, and keeps it for another request if so.

        Raises:
            HttpStatusError: Another status; a 206 was not asked for and is one.
            LimitError: Content-Length exceeds `limits.response_bytes`, or there are too many redirects.
            FetchError: No connection, a reset, a time-out, a redirect to another origin, an empty body, a transfer
                coding that was not asked for.
        """
        request = request.settled()
        try:
            response, url = await self._follow(request)
        except FetchError as error:
            _about(error, request)
            raise
        try:
            yield AiohttpResponse(response, url, request, self._limits)
        except ImageLoadError as error:
            _about(error, request)
            raise
        finally:
            _cut(response)  # does nothing to a connection that went back to the pool at the end of its body

    async def _follow(self, request: HttpRequest) -> tuple[ClientResponse, URL]:
        """Send the request and follow its redirects by hand: aiohttp's own take credentials along."""
        url, own = take_credentials(parse_url(request.url))
        asked = {} if request.byte_range is None else {"Range": range_field(request.byte_range)}
        own = merge_headers(own, request.headers, asked)
        for _ in range(self._limits.redirects + 1):
            response = await self._get(url, merge_headers(_ALWAYS, self._headers.get(origin_of(url), {}), own))
            if response.status == 200 or (response.status == 206 and "Range" in own):
                return response, url
            _cut(response)
            if response.status not in REDIRECTS:
                raise status_error(url, response.status, response.headers.get("Retry-After"))
            location = response.headers.get("Location")
            target = redirect_target(url, response.status, location, cross_origin=self._cross_origin)
            if origin_of(target) != origin_of(url):
                own = harmless(own)
            # User information in a Location is the server's, not ours: it is not sent.
            url = target.with_user(None)
        raise LimitError(f"more than limits.redirects={self._limits.redirects} redirects")

    async def _get(self, url: URL, headers: Mapping[str, str]) -> ClientResponse:
        from cornerstream.operators.connections import cut_on_failure  # noqa: PLC0415 - aiohttp comes with it

        session = self._opened()
        try:
            # A header that drips, or 1xx answers without end, are no silence to aiohttp.
            with cut_on_failure():
                async with timeout(self._limits.connect_seconds + self._limits.read_seconds):
                    return await session.get(url, headers=headers, allow_redirects=False)
        except Exception as error:
            raise fetch_error(error, url, self._limits) from error

    def _opened(self) -> ClientSession:
        if self._closed:
            raise FetchError("the transport is closed")
        if self._session is None:
            from cornerstream.operators.connections import new_session  # noqa: PLC0415 - aiohttp comes with it

            self._session = new_session(self._limits, self._ssl, self._names)
        return self._session


@dataclass(slots=True)
class AiohttpResponse:
    """An open response whose status was 200, or 206 where a range was asked for.

    Attributes:
        received: Bytes of the body that have come over the network so far, still coded.
    """

    _response: ClientResponse = field(repr=False)
    _url: URL = field(repr=False)
    _request: HttpRequest = field(repr=False)
    _limits: Limits = field(repr=False)
    received: int = 0
    _waited: float = field(default=0.0, init=False, repr=False)
    _inflater: Inflater = field(init=False, repr=False)
    _lost: Future[None] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Without framing aiohttp takes a reset for the end: it is told apart here, as far as the socket tells.
        connection = self._response.connection
        unframed = self._response.content_length is None and "Transfer-Encoding" not in self._response.headers
        protocol = connection.protocol if unframed and connection is not None else None
        self._lost = None if protocol is None else protocol.closed
        if self._lost is not None:  # looked at, so that asyncio does not report it when nobody reads to the end
            self._lost.add_done_callback(lambda lost: lost.cancelled() or lost.exception())
        self._inflater = Inflater(",".join(self._response.headers.getall("Content-Encoding", [])))
        codings = ",".join(self._response.headers.getall("Transfer-Encoding", ["chunked"]))
        if (
            codings.strip().lower() != "chunked"
        ):  # RFC 9112, section 7: nothing else was offered, aiohttp undoes no other
            raise FetchError(
                f"{describe(self._url)} answered in Transfer-Encoding {codings[:80]!r}, which is not chunked"
            )
        if len(kinds := set(self._response.headers.getall("Content-Type", []))) > 1:
            raise SplitError(f"{describe(self._url)} answered with {len(kinds)} different Content-Types")
        promised = self._response.content_length
        if promised is not None and promised > self._limits.response_bytes:
            raise self._too_large()
        if promised == 0:
            raise self._empty()

    @property
    def status(self) -> int:
        """200, or 206."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields, looked up without regard to case."""
        return self._response.headers

    @property
    def content_length(self) -> int | None:
        """Bytes that `chunks` will give, when the server says so; `None` too for a body with a content coding."""
        return None if self._inflater.changes else self._response.content_length

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives; the next bytes are read when they are asked for, so a slow reader slows the server.

        Raises:
            TruncatedError: The body ends before its framing says so.
            LimitError: `limits.response_bytes` or `limits.response_seconds` is reached.
            SplitError: The bytes contradict their Content-Encoding.
            FetchError: The connection is lost, the server is silent, the body is empty.
        """
        given = 0
        try:
            while chunk := await self._read():
                self.received += len(chunk)
                for piece in self._inflater.inflate(chunk):
                    given += len(piece)
                    if max(given, self.received) > self._limits.response_bytes:
                        raise self._too_large()
                    yield piece
            self._check_end()
        except ImageLoadError as error:
            _about(error, self._request)
            raise

    async def _read(self) -> bytes:
        begin = monotonic()
        allowance = timeout(self._limits.response_seconds - self._waited)
        try:
            chunk = self._response.content.read_nowait()  # what is here already needs no clock
            if not chunk:
                async with allowance:
                    chunk = await self._response.content.readany()
            return await self._more(chunk) if len(chunk) < _PIECE_BYTES else chunk
        except Exception as error:
            if allowance.expired():
                seconds = f"limits.response_seconds={self._limits.response_seconds:g}"
                raise LimitError(f"{describe(self._url)}: the server took more than {seconds}") from error
            raise fetch_error(error, self._url, self._limits) from error
        finally:
            self._waited += monotonic() - begin  # the reader's own time is not the server's

    async def _more(self, chunk: bytes) -> bytes:
        """What trickles is taken in larger pieces: each costs the same, however small it is."""
        promised, content = self._response.content_length, self._response.content
        missing = self.received if promised is None else promised - self.received - len(chunk)
        if missing < _PIECE_BYTES or content.at_eof():
            return chunk
        await sleep(_PIECE_SECONDS)
        # What broke meanwhile is told by the next read: these bytes may complete something.
        return chunk if content.exception() is not None else chunk + content.read_nowait()

    def _check_end(self) -> None:
        if self._lost is not None and self._lost.done() and (cause := self._lost.exception()) is not None:
            raise TruncatedError(
                f"{describe(self._url)}: the connection was lost after {self.received} bytes"
            ) from cause
        promised = self._response.content_length
        if promised is not None and self.received != promised:
            raise TruncatedError(f"{describe(self._url)}: {self.received} of {promised} bytes came")
        if not self.received:
            raise self._empty()
        self._inflater.close()

    def _too_large(self) -> LimitError:
        return LimitError(f"{describe(self._url)}: more than limits.response_bytes={self._limits.response_bytes}")

    def _empty(self) -> FetchError:
        return FetchError(f"{describe(self._url)} answered {self._response.status} with an empty body")


def _cut(response: ClientResponse) -> None:
    from cornerstream.operators.connections import cut  # noqa: PLC0415 - aiohttp comes with it

    cut(response)


def _about(error: ImageLoadError, request: HttpRequest) -> None:
    if request.image_id is not None:
        error.about(request.image_id)
