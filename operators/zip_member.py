"""Members of zip archives as files: stored ones read by ranges, deflated ones inflated as far as they are read."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from struct import Struct
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_source import FileVersion, read_exactly
from cornerstream.operators.storage_address import member_address
from cornerstream.operators.zip_directory import STORED, ZipDirectory, ZipEntry, read_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.operators.byte_source import ByteSource, OpenBytes

_LOCAL = Struct("<4s5H3L2H")
_PACKED_PIECE = 1 << 16
_PIECE = 1 << 16
_REST = 1 << 16  # so many bytes behind what was wanted are inflated as well, if that proves the member


@dataclass(frozen=True, slots=True)
class ZipArchive:
    """An archive and its directory, as they were when they were looked at.

    Attributes:
        source: Where its bytes are.
        version: Of them.
        directory: Its members.
        limits: Bounds for them.
    """

    source: ByteSource
    version: FileVersion
    directory: ZipDirectory = field(repr=False)
    limits: Limits = field(default=DEFAULT_LIMITS, repr=False)

    def current(self) -> ZipArchive:
        """The archive as it is now: itself, unless it has changed; raises as `open_archive`."""
        with self.source.opened() as opened:
            if opened.version == self.version:
                return self
            return replace(self, version=opened.version, directory=read_directory(opened, self.limits))

    def member(self, name: str) -> ZipMember:
        """A member by its name.

        Raises:
            ImageLoadError: It is not there, or cannot be read.
        """
        entry = _entry_of(self.directory, name, self.source.name)
        return ZipMember(self.source, name, self.version, entry, self.limits)

    def members(self) -> list[ZipMember]:
        """Those that can be read, sorted by the names on their way; hidden ones left out."""
        members = self.directory.members
        names = [name for name in members if not any(part.startswith(".") for part in name.split("/"))]
        names.sort(key=lambda name: name.split("/"))
        return [ZipMember(self.source, name, self.version, members[name], self.limits) for name in names]


def open_archive(source: ByteSource, limits: Limits = DEFAULT_LIMITS) -> ZipArchive:
    """Look at an archive: its directory is read, nothing else.

    Raises:
        FetchError: It cannot be read.
        SplitError: It is no archive, or contradicts itself.
        TruncatedError: It is cut.
        LimitError: It has too many members.
    """
    with source.opened() as opened:
        return ZipArchive(source, opened.version, read_directory(opened, limits), limits)


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A member of an archive.

    Attributes:
        archive: Where the archive's bytes are.
        member: Its name.
        version: Of the archive, when its directory was read; of a later one the directory is read again.
        entry: What the directory said of it.
        limits: Bounds for the directory.
    """

    archive: ByteSource
    member: str
    version: FileVersion = field(repr=False)
    entry: ZipEntry = field(repr=False)
    limits: Limits = field(default=DEFAULT_LIMITS, repr=False)

    @property
    def name(self) -> str:
        """The archive's name and its own."""
        return f"{self.archive.name}::{self.member}"

    @property
    def address(self) -> str:
        """As image ids have it."""
        return member_address(self.archive.address, self.member)

    @contextmanager
    def opened(self) -> Iterator[OpenBytes]:
        """Open the archive, and find the member in it.

        Raises:
            FetchError: The archive cannot be read, or has no such member now; also what is read inside.
            SplitError: The member's own header is another than the directory says.
        """
        with self.archive.opened() as opened:
            entry = self.entry
            if opened.version != self.version:
                entry = _entry_of(read_directory(opened, self.limits), self.member, self.archive.name)
            version = _version(self.name, opened.version, entry)
            start = _data_start(opened, entry)
            yield (_Stored if entry.method == STORED else _Inflated)(opened, entry, start, version)


def _entry_of(directory: ZipDirectory, name: str, archive: str) -> ZipEntry:
    reason = directory.refused.get(name)
    if reason is not None:
        raise type(reason)(reason.message) from reason
    entry = directory.members.get(name)
    if entry is None:
        raise FetchError(f"cannot read {archive}: it has no member {name!r}")
    return entry


def _version(name: str, archive: FileVersion, entry: ZipEntry) -> FileVersion:
    """A member changes with its archive."""
    tag = f"{archive.tag} {archive.size} {entry.offset} {entry.crc:08x}"
    return replace(archive, path=name, size=entry.size, tag=tag)


def _data_start(opened: OpenBytes, entry: ZipEntry) -> int:
    """Where a member's bytes begin: behind its local header, which must be of the same member (4.3.7)."""
    head = read_exactly(opened, entry.offset, _LOCAL.size) if entry.offset >= 0 else b""
    if head[:4] != b"PK\3\4":
        raise SplitError(f"the archive has no member where its directory says that {entry.name!r} begins")
    *_, name_length, extra_length = _LOCAL.unpack(head)
    start: int = entry.offset + _LOCAL.size + name_length + extra_length
    if start + entry.packed > opened.version.size:
        raise TruncatedError(f"the archive is cut: the member {entry.name!r} goes on behind its end")
    return start


@dataclass(frozen=True, slots=True)
class _Stored:
    """A member that stands in the archive as it is."""

    archive: OpenBytes
    entry: ZipEntry
    start: int
    version: FileVersion

    def read(self, count: int, offset: int) -> bytes:
        count = min(count, self.entry.size - offset)
        return self.archive.read(count, self.start + offset) if count > 0 else b""


class _Inflated:
    """A deflated member: there is no place to jump to, so what is skipped is inflated and dropped.

    It gives out no byte more than the directory says, and whoever comes near its end has it proven by its checksum.
    """

    def __init__(self, archive: OpenBytes, entry: ZipEntry, start: int, version: FileVersion) -> None:
        self.version = version
        self._archive = archive
        self._entry = entry
        self._start = start
        self._held_from = 0
        self._position = 0
        self._rewind()

    def read(self, count: int, offset: int) -> bytes:
        stop = min(offset + count, self._entry.size)
        if stop <= offset:
            return b""
        if offset < self._held_from:
            self._rewind()
        found = bytearray()
        while offset < stop:
            if offset >= self._position:
                self._held, self._held_from = b"", self._position
                self._held += self._inflate()
            piece = self._held[offset - self._held_from : stop - self._held_from]
            found += piece
            offset += len(piece)
        while self._entry.size - _REST <= self._position < self._entry.size:
            self._held += self._inflate()
        return bytes(found)

    def _rewind(self) -> None:
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._packed_at = 0
        self._held = b""  # what was inflated last, for whoever reads in small steps
        self._held_from = 0
        self._position = 0
        self._crc = 0

    def _inflate(self) -> bytes:
        """The next bytes, at least one."""
        data = b""
        while not data:
            source = self._packed()
            try:
                data = self._inflater.decompress(source, _PIECE)
            except zlib.error as error:
                raise SplitError(f"the member {self._entry.name!r} is damaged: {error}") from error
            if not (data or source):
                raise TruncatedError(f"the member {self._entry.name!r} ends {self._missing} bytes too early")
        self._position += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._missing <= 0:
            self._prove()
        return data

    def _packed(self) -> bytes:
        """What is to be inflated next."""
        tail = self._inflater.unconsumed_tail
        left = self._entry.packed - self._packed_at
        if tail or self._inflater.eof or not left:
            return tail
        data = self._archive.read(min(_PACKED_PIECE, left), self._start + self._packed_at)
        self._packed_at += len(data)
        return data

    @property
    def _missing(self) -> int:
        return self._entry.size - self._position

    def _prove(self) -> None:
        """All is here: it must be what was packed."""
        if self._missing < 0 or self._inflater.decompress(self._packed(), 1):
            raise SplitError(f"the member {self._entry.name!r} expands to more than its {self._entry.size} bytes")
        if self._crc != self._entry.crc:
            raise SplitError(f"the member {self._entry.name!r} is damaged: its checksum is another")
