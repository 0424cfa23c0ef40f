"""`AiohttpResponse`: the body of an answer over aiohttp, its framing proven and its limits kept."""

from __future__ import annotations

from asyncio import sleep, timeout
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.operators.content_encoding import Inflater
from cornerstream.operators.fetch_errors import fetch_error
from cornerstream.operators.http_rules import describe

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncGenerator, Mapping

    from aiohttp import ClientResponse
    from yarl import URL

    from cornerstream.images.limits import Limits
    from cornerstream.operators.body_receiver import BodyReceiver
    from cornerstream.operators.protocols import HttpRequest, ReadInto

_PIECE_BYTES = 1 << 15  # less than that is a trickle, which is let gather for a moment if there is more to come
_PIECE_SECONDS = 0.002
_PIECES_AFTER = (
    1 << 20
)  # bytes: a frame is not waited for, and a socket that rests at its beginning may stall for 40 ms
_LONG_BYTES = 1 << 20  # from there on, a connection of its own costs nothing beside the body


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
    _receiver: BodyReceiver | None = field(default=None, init=False, repr=False)
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
            about(error, self._request)
            raise

    @property
    def into(self) -> ReadInto | None:
        """Receives the body straight into memory, if it is a long one, and neither coded nor in chunks."""
        promised = self._response.content_length
        is_long = self._request.bulk and (promised is None or promised >= _LONG_BYTES)
        is_plain = not self._inflater.changes and "Transfer-Encoding" not in self._response.headers
        return self._read_into if is_long and is_plain else None

    async def _read_into(self, room: memoryview) -> int:
        begin, left = monotonic(), self._limits.response_seconds - self._waited
        try:
            if self._receiver is None:
                from cornerstream.operators.body_receiver import take_over  # noqa: PLC0415 - aiohttp comes with it

                self._receiver = take_over(self._response, self._response.content_length)
            count = await self._receiver.read_into(room, min(left, self._limits.read_seconds))
        except Exception as error:
            if isinstance(error, TimeoutError) and left < self._limits.read_seconds:
                raise self._too_slow() from error
            raise fetch_error(error, self._url, self._limits) from error
        finally:
            self._waited += monotonic() - begin
        self.received += count
        if self.received > self._limits.response_bytes:
            raise self._too_large()
        if not count:
            self._check_end()
        return count

    async def _read(self) -> bytes:
        begin = monotonic()
        allowance = timeout(self._limits.response_seconds - self._waited)
        try:
            chunk = self._response.content.read_nowait()  # what is here already needs no clock
            if not chunk:
                async with allowance:
                    chunk = await self._response.content.readany()
            trickles = len(chunk) < _PIECE_BYTES and self.received >= _PIECES_AFTER
            return await self._more(chunk) if trickles else chunk
        except Exception as error:
            if allowance.expired():
                raise self._too_slow() from error
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

    def _too_slow(self) -> LimitError:
        seconds = f"limits.response_seconds={self._limits.response_seconds:g}"
        return LimitError(f"{describe(self._url)}: the server took more than {seconds}")

    def _too_large(self) -> LimitError:
        return LimitError(f"{describe(self._url)}: more than limits.response_bytes={self._limits.response_bytes}")

    def _empty(self) -> FetchError:
        return FetchError(f"{describe(self._url)} answered {self._response.status} with an empty body")


def about(error: ImageLoadError, request: HttpRequest) -> None:
    """An error names the image that the request is for."""
    if request.image_id is not None:
        error.about(request.image_id)
