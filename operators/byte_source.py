"""Where the bytes of a file are: on disk, in a store, in an archive. Opened for a moment, and read in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import TruncatedError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file as it was when it was looked at; equal as long as it has not changed.

    Attributes:
        path: Where it is.
        mtime_ns: When it was last modified, in nanoseconds; 0 where that is not known.
        size: Bytes.
        tag: What else tells its versions apart, such as an object store's ETag.
    """

    path: str
    mtime_ns: int
    size: int
    tag: str = ""


class OpenBytes(Protocol):
    """The bytes of a file, while it is open."""

    @property
    def version(self) -> FileVersion:
        """The file as it is now."""
        ...

    def read(self, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset`, none behind the end; raises FetchError, never ends early in silence."""
        ...


class ByteSource(Protocol):
    """A file that can be opened again and again; holds nothing open itself."""

    @property
    def name(self) -> str:
        """What messages call it; it has no credentials."""
        ...

    @property
    def address(self) -> str:
        """What image ids name it by."""
        ...

    def opened(self) -> AbstractContextManager[OpenBytes]:
        """Open it; raises FetchError if it cannot be read. What is read inside may raise FetchError as well."""
        ...


def read_exactly(opened: OpenBytes, offset: int, length: int) -> bytes:
    """Read `length` bytes from `offset`; raises TruncatedError when the file ends before."""
    data = opened.read(length, offset)
    if len(data) == length:  # nearly always
        return data
    pieces: list[bytes] = []
    while data:
        pieces.append(data)
        offset, length = offset + len(data), length - len(data)
        data = opened.read(length, offset) if length else b""
    if length:
        raise TruncatedError(f"the file ends {length} bytes too early, at offset {offset}")
    return b"".join(pieces)
