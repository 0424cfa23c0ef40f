"""Writing multipart/related (RFC 2387), with its length where the parts' lengths are known."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.server.reply import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

_LINE_END = b"\r\n"


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        content_type: With its parameters.
        length: Bytes of its body.
        chunks: Makes its body.
        location: Its Content-Location, if any.
    """

    content_type: str
    length: int
    chunks: Callable[[], AsyncGenerator[bytes, None]]
    location: str = ""

    def header(self, boundary: str) -> bytes:
        """Delimiter and header of the part."""
        location = f"Content-Location: {self.location}\r\n" if self.location else ""
        lines = f"Content-Type: {self.content_type}\r\nContent-Length: {self.length}\r\n{location}"
        return f"--{boundary}\r\n{lines}\r\n".encode()


def related(parts: Sequence[Part], part_type: str) -> Reply:
    """A multipart/related answer of known length.

    Args:
        parts: At least one.
        part_type: Media type of the root part, for the `type` parameter.
    """
    boundary = uuid.uuid4().hex
    length = sum(len(part.header(boundary)) + part.length + len(_LINE_END) for part in parts) + len(_closing(boundary))
    return Reply(_content_type(boundary, part_type), _body(_each(parts), boundary), length)


def related_stream(parts: AsyncGenerator[Part, None], part_type: str) -> Reply:
    """A multipart/related answer whose parts are made while it is sent; it has no length."""
    boundary = uuid.uuid4().hex
    return Reply(_content_type(boundary, part_type), _body(parts, boundary))


async def _each(parts: Iterable[Part]) -> AsyncGenerator[Part, None]:
    for part in parts:
        yield part


async def _body(parts: AsyncGenerator[Part, None], boundary: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts):
        async for part in parts:
            yield part.header(boundary)
            async with aclosing(part.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
            yield _LINE_END  # belongs to the delimiter that follows (RFC 2046 section 5.1.1)
    yield _closing(boundary)


def _closing(boundary: str) -> bytes:
    return f"--{boundary}--\r\n".encode()


def _content_type(boundary: str, part_type: str) -> str:
    return f'multipart/related; type="{part_type}"; boundary={boundary}'
