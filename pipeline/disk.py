"""Bytes on disk that outlive a session: readable by their owner only, checked when they are read, bounded.

Every operation blocks; `disk_lane` runs them beside the loop. Nothing is unpickled, and no name tells what a file holds.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import ELOOP
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes, token_hex
from time import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY_NAME = "key"
_KEY_BYTES = 32
_MAC_BYTES = 32
_LENGTH_BYTES = 4
_TEMPORARY = "new-"
_ABANDONED_SECONDS = 3600.0  # what is still being written after that belongs to nobody any more
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stored:
    """What a server answered.

    Attributes:
        fields: Header fields by lower-case name, those needed to use the data again.
        data: The body.
        when: Seconds since 1970 when it was stored.
    """

    fields: Mapping[str, str]
    data: bytes = field(repr=False)
    when: float = field(default_factory=time)


class DiskCache:
    """A folder of what servers answered, for `Session(disk_cache=…)`. Several processes may share it.

    The files hold patient data: they are readable by their owner only, and neither addresses nor UIDs nor credentials are
    in them or in their names. A damaged file is deleted and counts as not there. What was used least recently goes first.

    Args:
        path: The folder; made, readable by its owner only, if it does not exist.
        max_bytes: Bytes of all files.
        valid_seconds: How long an answer without validators is used that is not addressed by SOP Instance UID; by
            default not at all. Answers with validators are asked for again on condition that they have changed.

    Raises:
        PermissionError: The folder is a symbolic link, another user's, or open to others.
        ValueError: `max_bytes` is not more than 0.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = 8 << 30, valid_seconds: float = 0.0) -> None:
        if max_bytes <= 0:
            raise ValueError(f"max_bytes={max_bytes} holds nothing")
        self.max_bytes = max_bytes
        self.valid_seconds = valid_seconds
        self._path = os.fspath(path)
        self._unseen = 0  # bytes written since the folder was last looked at as a whole
        with suppress(FileExistsError):
            os.mkdir(self._path, 0o700)  # noqa: PTH102 - its descriptor is used from here on, not its path
        self._key = self._secret()
        self._shrink()

    def __repr__(self) -> str:
        return f"<DiskCache of at most {self.max_bytes:,} bytes>"

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        with self._folder() as folder:
            return sum(found.st_size for _, found in _files(folder))

    def get(self, key: str) -> Stored | None:
        """What was stored, or `None`; a file that does not hold what was written is deleted.

        Raises:
            OSError: The folder cannot be read.
        """
        name = self._name(key)
        with self._folder() as folder:
            try:
                content = _read(name, folder)
                stored = self._opened(name, content)
            except FileNotFoundError:
                return None
            except (ValueError, OSError) as error:
                if isinstance(error, OSError) and error.errno != ELOOP:
                    raise
                _remove(name, folder)  # damaged, or a symbolic link, which is none of ours
                return None
            with suppress(FileNotFoundError):
                os.utime(name, dir_fd=folder, follow_symlinks=False)
        return stored

    def put(self, key: str, stored: Stored) -> None:
        """Store, or replace; what is larger than an eighth of all is not stored.

        Raises:
            OSError: The folder cannot be written, or the disk is full.
        """
        name = self._name(key)
        content = self._closed(name, stored)
        if len(content) > self.max_bytes // 8:
            return
        with self._folder() as folder:
            _write(name, content, folder)
        self._unseen += len(content)
        if self._unseen > self.max_bytes // 16:
            self._shrink()

    def discard(self, key: str) -> None:
        """Forget an answer."""
        with self._folder() as folder:
            _remove(self._name(key), folder)

    def clear(self) -> None:
        """Delete every answer; what another process is writing just now may come after that."""
        with self._folder() as folder:
            for name, _ in list(_files(folder)):
                _remove(name, folder)

    def _shrink(self) -> None:
        """Delete the least recently used until two processes that write on cannot exceed the bound."""
        self._unseen = 0
        with self._folder() as folder:
            files = sorted(_files(folder), key=lambda item: item[1].st_mtime, reverse=True)
            left = self.max_bytes - self.max_bytes // 8
            for name, found in files:
                abandoned = name.startswith(_TEMPORARY) and time() - found.st_mtime > _ABANDONED_SECONDS
                left -= found.st_size
                if abandoned or (left < 0 and not name.startswith(_TEMPORARY)):
                    _remove(name, folder)

    def _name(self, key: str) -> str:
        return blake2b(key.encode(), key=self._key, digest_size=24).hexdigest()

    def _mac(self, name: str, content: bytes) -> bytes:
        mac = blake2b(name.encode(), key=self._key, digest_size=_MAC_BYTES)
        mac.update(content)
        return mac.digest()

    def _closed(self, name: str, stored: Stored) -> bytes:
        header = json.dumps({"fields": dict(stored.fields), "when": stored.when}).encode()
        content = len(header).to_bytes(_LENGTH_BYTES, "big") + header + stored.data
        return self._mac(name, content) + content

    def _opened(self, name: str, file: bytes) -> Stored:
        """Read a file; only what this cache wrote under this name passes, so that what follows needs no other check."""
        content = file[_MAC_BYTES:]
        if not compare_digest(self._mac(name, content), file[:_MAC_BYTES]):
            raise ValueError("a file of the disk cache does not hold what was written")
        end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "big")
        header = json.loads(content[_LENGTH_BYTES:end])
        return Stored(header["fields"], content[end:], header["when"])

    def _secret(self) -> bytes:
        """What names and checks depend on; of two processes that make it the first one wins.

        One that a crash has damaged is replaced; what was stored is not found by the new one, and goes in time.
        """
        with self._folder() as folder:
            with suppress(FileExistsError):
                _write(_KEY_NAME, token_bytes(_KEY_BYTES), folder, replace=False)
            key = _read(_KEY_NAME, folder)
            if len(key) != _KEY_BYTES:
                key = token_bytes(_KEY_BYTES)
                _write(_KEY_NAME, key, folder)
            return key

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """The folder, held by its descriptor so that nobody exchanges it; refused if others may look into it."""
        try:
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except NotADirectoryError as error:
            raise PermissionError("the folder of a disk cache must be a folder, and no symbolic link") from error
        try:
            found = os.fstat(folder)
            if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
                raise PermissionError("the folder of a disk cache must be yours alone: chmod 700")
            yield folder
        finally:
            os.close(folder)


def _is_ours(name: str) -> bool:
    return name.startswith(_TEMPORARY) or (len(name) == 48 and not name.strip("0123456789abcdef"))


def _files(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # another process deletes as well
            if _is_ours(name):
                yield name, os.stat(name, dir_fd=folder, follow_symlinks=False)


def _read(name: str, folder: int) -> bytes:
    with open(os.open(name, _OLD, dir_fd=folder), "rb") as file:  # noqa: PTH123 - by descriptor
        return file.read()


def _write(name: str, content: bytes, folder: int, *, replace: bool = True) -> None:
    """Write beside, then take the place at once: who reads finds the old content or the new one, whole."""
    beside = _TEMPORARY + token_hex(16)
    try:
        with open(os.open(beside, _NEW, 0o600, dir_fd=folder), "wb") as file:  # noqa: PTH123 - by descriptor
            file.write(content)
        if replace:
            with suppress(FileNotFoundError):  # cleared meanwhile
                os.replace(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            os.link(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        _remove(beside, folder)


def _remove(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
