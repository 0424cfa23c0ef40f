"""Local files: looked at, opened for a moment, read in pieces; what the system refuses is a FetchError."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file as it was when it was looked at; equal as long as it has not changed.

    Attributes:
        path: Where it is.
        mtime_ns: When it was last modified, in nanoseconds.
        size: Bytes.
    """

    path: str
    mtime_ns: int
    size: int


def stat_file(path: str | os.PathLike[str]) -> FileVersion:
    """Look at a file without opening it.

    Raises:
        FetchError: It is not there, may not be seen, or is not a regular file.
    """
    name = str(Path(path).absolute())
    try:
        found = Path(name).stat()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise FetchError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(found.st_mode):  # a pipe would block, a folder has no bytes
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise FetchError(f"cannot read {name}: it is {kind}")
    return version_of(name, found)


@contextmanager
def opened(name: str) -> Iterator[int]:
    """A descriptor for reading, closed on leaving.

    Raises:
        FetchError: The file cannot be opened, or what is done inside fails with an OSError.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise FetchError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    try:
        yield descriptor
    except OSError as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"cannot read {name}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """Read `length` bytes from `offset`; raises TruncatedError when the file ends before."""
    pieces: list[bytes] = []
    while length:
        data = os.pread(descriptor, length, offset)
        if not data:
            raise TruncatedError(f"the file ends {length} bytes too early, at offset {offset}")
        pieces.append(data)
        offset, length = offset + len(data), length - len(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def version_of(name: str, found: os.stat_result) -> FileVersion:
    """The version that a stat result shows."""
    return FileVersion(name, found.st_mtime_ns, found.st_size)
