"""Bytes that are at hand, in memory or in an open file object, as sources of frames like files on disk."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import FetchError, ImageLoadError
from cornerstream.operators.byte_source import FileVersion

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, eq=False)
class HeldBytes:
    """Bytes in memory.

    Attributes:
        name: What messages call them.
        data: The bytes.
    """

    name: str
    data: bytes | memoryview = field(repr=False)

    @property
    def address(self) -> str:
        """What image ids name them by."""
        return self.name

    @property
    def version(self) -> FileVersion:
        """They are always the same."""
        return FileVersion(self.name, 0, memoryview(self.data).nbytes)

    @property
    def nbytes(self) -> int:
        """How many there are."""
        return self.version.size

    def __reduce__(self) -> tuple[type[HeldBytes], tuple[str, bytes]]:
        return HeldBytes, (self.name, bytes(self.data))  # workers may be processes, and a memoryview does not travel

    @contextmanager
    def opened(self) -> Iterator[HeldBytes]:
        """They are open."""
        yield self

    def read(self, count: int, offset: int) -> bytes:
        """Some of them; all of them are not copied where they are `bytes`."""
        return bytes(self.data[offset : offset + count])


class ReadableFile(Protocol):
    """What is asked of a file object, open for reading bytes."""

    def read(self, count: int, /) -> bytes:
        """Read at most so many bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset, counted from the beginning, or from the end with whence 2."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class HeldFileObject:
    """An open file object. Reading moves its place, so that one thread reads it at a time.

    Attributes:
        name: What messages call it.
        file: The caller's; it is not closed here.
    """

    name: str
    file: ReadableFile

    @property
    def address(self) -> str:
        """What image ids name it by."""
        return self.name

    @property
    def version(self) -> FileVersion:
        """What it holds now, as far as its size tells."""
        return FileVersion(self.name, 0, self._done(0, 2)[0])

    @property
    def nbytes(self) -> int:
        """What it holds is not held here."""
        return 0

    @contextmanager
    def opened(self) -> Iterator[HeldFileObject]:
        """It is open, or reading says that it is not."""
        yield self

    def read(self, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset`; raises FetchError where it cannot be read."""
        return self._done(offset, 0, count)[1]

    def _done(self, offset: int, whence: int, count: int = 0) -> tuple[int, bytes]:
        try:
            place = self.file.seek(offset, whence)
            return place, self.file.read(count) if count else b""
        except ImageLoadError:
            raise
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise FetchError(f"the file object cannot be read ({error}); add it again while it is open") from error
