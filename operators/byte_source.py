"""Where the bytes of a file are: on disk, in a store, in an archive. Opened for a moment, and read in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import TruncatedError
from cornerstream.operators.new_memory import is_quick, new_memory

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


class ReadsInto(Protocol):
    """What some of them can do as well."""

    def read_into(self, memory: memoryview, offset: int) -> int:
        """Read at most as many bytes as the memory has, from `offset`; how many, 0 behind the end."""
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


def read_pixels(opened: OpenBytes, offset: int, length: int) -> bytes | memoryview:
    """As `read_exactly`; into memory that its image can keep, where that is sooner."""
    read_into = getattr(opened, "read_into", None)
    if read_into is None or not is_quick(length):
        return read_exactly(opened, offset, length)
    memory = memoryview(new_memory(length).data)
    count = read_into(memory, offset)
    if count < length:  # hardly ever
        memory[count:] = read_exactly(opened, offset + count, length - count)
    return memory.toreadonly()


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
