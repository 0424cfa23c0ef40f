"""Local files: looked at, opened for a moment, read in pieces; what the system refuses is a FetchError."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from cornerstream.images.errors import FetchError, ImageIdError
from cornerstream.operators.byte_source import FileVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

# A pipe does not block, a terminal does not become ours: what is no regular file is found out once it is open.
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on disk.

    Attributes:
        path: Absolute.
    """

    path: str

    @property
    def name(self) -> str:
        """Its path."""
        return self.path

    @property
    def address(self) -> str:
        """Its path as it stands; as a URL where it has what would begin a query, or a chain."""
        if "?" not in self.path and "::" not in self.path:
            return self.path
        return f"file://{quote_from_bytes(os.fsencode(self.path))}"  # `Path.as_uri` would make another path of `a//b`

    @contextmanager
    def opened(self) -> Iterator[OpenFile]:
        """Open it.

        Raises:
            FetchError: It cannot be opened, is no regular file, or what is done inside fails with an OSError.
        """
        with opened(self.path) as descriptor:
            yield OpenFile(descriptor, _regular(self.path, os.fstat(descriptor)))


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file while it is open.

    Attributes:
        descriptor: Of it.
        version: As it was opened.
    """

    descriptor: int
    version: FileVersion

    def read(self, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset`."""
        return os.pread(self.descriptor, count, offset)


def local_file(path: str | os.PathLike[str]) -> LocalFile:
    """The file at a path, which becomes absolute."""
    name = os.fspath(path)
    return LocalFile(name if os.path.isabs(name) else str(Path(name).absolute()))  # noqa: PTH117 - a Path costs more than a read


def path_of(address: str) -> str:
    """The absolute path that an address means: as it stands, or out of a `file://` URL (RFC 8089).

    Raises:
        ImageIdError: The URL names another machine, is not absolute, or has a query or fragment.
    """
    if address[:5].lower() != "file:":
        return local_file(address).path
    url = urlsplit(address)
    if url.netloc not in {"", "localhost"} or not url.path.startswith("/"):
        raise ImageIdError("not a local file: a file URL reads file:///absolute/path")
    if url.query or url.fragment:
        raise ImageIdError("a file URL has no query or fragment; write ? as %3F and # as %23")
    return os.fsdecode(unquote_to_bytes(url.path))


def stat_file(path: str | os.PathLike[str]) -> FileVersion:
    """Look at a file without opening it.

    Raises:
        FetchError: It is not there, may not be seen, or is not a regular file.
    """
    name = local_file(path).path
    try:
        found = os.stat(name)  # noqa: PTH116 - a Path costs more than the look
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise FetchError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    return _regular(name, found)


@contextmanager
def opened(name: str) -> Iterator[int]:
    """A descriptor for reading, closed on leaving.

    Raises:
        FetchError: The file cannot be opened, or what is done inside fails with an OSError.
    """
    try:
        descriptor = os.open(name, _READING)
    except (OSError, ValueError) as error:
        stat_file(name)  # says so if it is something that cannot be opened, such as a socket
        raise FetchError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    try:
        yield descriptor
    except OSError as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"cannot read {name}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def version_of(name: str, found: os.stat_result) -> FileVersion:
    """The version that a stat result shows."""
    return FileVersion(name, found.st_mtime_ns, found.st_size)


def _regular(name: str, found: os.stat_result) -> FileVersion:
    """The version of a regular file; nothing else has bytes to be read again."""
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise FetchError(f"cannot read {name}: it is {kind}")
    return version_of(name, found)
