"""`AiohttpTransport`: requests over aiohttp, with framing proven, limits kept, and credentials held to their origin."""

from __future__ import annotations

from asyncio import timeout
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_ranges import range_field
from cornerstream.operators.fetch_errors import fetch_error
from cornerstream.operators.http_rules import (
    REDIRECTS,
    by_origin,
    harmless,
    merge_headers,
    origin_of,
    parse_url,
    redirect_target,
    status_error,
    take_credentials,
)
from cornerstream.operators.name_lookup import NameLookup
from cornerstream.operators.response import AiohttpResponse, about

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from ssl import SSLContext

    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

    from cornerstream.operators.protocols import HttpRequest

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
            about(error, request)
            raise
        try:
            yield AiohttpResponse(response, url, request, self._limits)
        except ImageLoadError as error:
            about(error, request)
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


def _cut(response: ClientResponse) -> None:
    from cornerstream.operators.connections import cut  # noqa: PLC0415 - aiohttp comes with it

    cut(response)
