"""What a handler answers, and the one place that sends it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cornerstream.server.ledger import LEDGER, current_request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

CHUNK_BYTES = 1 << 18
DICOM_JSON = "application/dicom+json"


class CutError(Exception):
    """Raised by a body that ends the connection in the middle of itself."""


class ResetError(CutError):
    """Raised by a body that resets the connection (RST instead of FIN)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not sent yet.

    Attributes:
        content_type: With its parameters; empty sends no Content-Type.
        chunks: The body, made while it is sent; closed when the client goes.
        content_length: Bytes of the body; `None` sends it chunked.
        compress: Send it gzipped, without a length.
    """

    content_type: str
    chunks: AsyncGenerator[bytes, None]
    content_length: int | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    compress: bool = False

    @classmethod
    def of_bytes(cls, content_type: str, body: bytes) -> Reply:
        """A body that is there already."""
        return cls(content_type, once(body), len(body))

    @classmethod
    def of_json(cls, value: Any) -> Reply:
        """DICOM JSON; blocks while it is written, so large answers are made on a thread."""
        return cls.of_bytes(DICOM_JSON, json.dumps(value, ensure_ascii=False).encode())


async def once(body: bytes) -> AsyncGenerator[bytes, None]:
    """A body of one piece."""
    yield body


async def file_chunks(path: Path, start: int, length: int) -> AsyncGenerator[bytes, None]:
    """A piece of a file, read on threads.

    Raises:
        OSError: The file is shorter than it was.
    """
    end = start + length
    while start < end:
        # Opened anew for each piece: a client that goes while a thread opens the file would leave it open.
        chunk = await asyncio.to_thread(_read_piece, path, start, min(end - start, CHUNK_BYTES))
        if not chunk:
            raise OSError(f"{path.name} became shorter while it was sent")
        start += len(chunk)
        yield chunk


def _read_piece(path: Path, start: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send an answer, no faster than the client reads and the server's link allows."""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = None if reply.compress else reply.content_length
    response.headers["Content-Type"] = reply.content_type
    if reply.compress:
        response.enable_compression(web.ContentCoding.gzip)
    async with aclosing(reply.chunks):
        try:
            await response.prepare(request)
            if request.method != "HEAD":
                await _send_body(request, response, reply)
        except CutError as cut:
            end_connection(request, cut)
    return response


async def _send_body(request: web.Request, response: web.StreamResponse, reply: Reply) -> None:
    link, ledger, entry = request.app[LINK], request.app[LEDGER], current_request()
    ready = asyncio.get_running_loop().time()
    async for body in reply.chunks:
        for chunk in link.pieces(body):
            ready = await link.pass_through(len(chunk), ready)
            await response.write(chunk)
            ledger.sent(entry, len(chunk))
    await response.write_eof()


async def drop_empty_content_type(_: web.Request, response: web.StreamResponse) -> None:
    """Leave the Content-Type out where a reply has none: aiohttp would put one in (an `on_response_prepare` signal)."""
    if response.headers.get("Content-Type") == "":
        del response.headers["Content-Type"]


def end_connection(request: web.Request, cut: CutError) -> None:
    """End a connection as a fault wants it."""
    current_request().outcome = "cut"
    transport = request.transport
    if transport is None:
        return
    if isinstance(cut, ResetError):
        # Closing with unsent data thrown away (linger, zero seconds) sends RST.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()


class Link:
    """The server's connection to the world, shared by all answers.

    Args:
        latency_seconds: Wait before every answer.
        bytes_per_second: Bytes of all bodies together; `None` does not hold them back.
    """

    def __init__(self, latency_seconds: float = 0.0, bytes_per_second: float | None = None) -> None:
        self.latency_seconds = latency_seconds
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    def pieces(self, body: bytes) -> list[bytes]:
        """Cut a body so that answers share a slow link fairly."""
        if self._bytes_per_second is None:
            return [body]
        return [body[start : start + _PIECE_BYTES] for start in range(0, len(body), _PIECE_BYTES)]

    async def pass_through(self, nbytes: int, ready: float) -> float:
        """Wait until so many bytes of one answer have gone.

        Args:
            nbytes: How many.
            ready: When they could have gone: at the answer's begin, then when those before them had gone. A timer that
                rings late does not slow the link.

        Returns:
            When they have gone.
        """
        if self._bytes_per_second is None:
            return ready
        now = asyncio.get_running_loop().time()
        gone = max(ready, now - _LATE_SECONDS, self._free_at) + nbytes / self._bytes_per_second
        self._free_at = gone
        if gone > now:
            await asyncio.sleep(gone - now)
        return gone


_PIECE_BYTES = 1 << 14
_LATE_SECONDS = 0.02  # of timers; beyond that it was the client who did not read
LINK: web.AppKey[Link] = web.AppKey("link", Link)
