"""The directory of a zip archive (APPNOTE.TXT 4.3 and 4.5.3), read within limits; nothing in it is trusted.

Neither names nor sizes lead anywhere by themselves: a member is only ever read, up to the size that its directory says, and
nothing is written. What cannot be read as a plain file is named with the reason.
"""

from __future__ import annotations

import re
import stat
from collections import Counter
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.operators.byte_source import read_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_source import OpenBytes

STORED, DEFLATED = 0, 8
_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_END_64 = Struct("<4sQ2H2L4Q")
_ENTRY = Struct("<4s6H3L5H2L")
_EXTRA = Struct("<HH")
_MOST_COMMENT = (1 << 16) - 1
_PIECE = 1 << 20
_FULL, _FULL_16 = 0xFFFFFFFF, 0xFFFF
_ENCRYPTED, _UTF_8, _UNIX = 0x1, 0x800, 3
_BEGINNINGS = (b"PK\3\4", b"PK\5\6")
_BLANK_BYTES = 1 << 24  # so much of a member may be blank, whatever its ratio: an image that shows nothing is one
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """What the directory says of one member.

    Attributes:
        name: As it stands there.
        method: Of compression.
        flags: General purpose bits.
        crc: Of its bytes.
        packed: Bytes in the archive.
        size: Bytes of the member.
        offset: Of its local header, in the archive.
        mode: Unix file mode; 0 where the archive was made elsewhere.
    """

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int = 0

    @property
    def is_folder(self) -> bool:
        """It is a folder: it has no bytes."""
        return self.name.endswith("/")


class ZipDirectory(NamedTuple):
    """The members of an archive that can be read, by name, and the others, with the reason of each."""

    members: dict[str, ZipEntry]
    refused: dict[str, ImageLoadError]

    @property
    def nbytes(self) -> int:
        """Bytes held, near enough for a budget."""
        return 512 * (len(self.members) + len(self.refused))


class _Place(NamedTuple):
    """Where the directory's entries lie, how many there are, and what all offsets are counted from."""

    start: int
    stop: int
    entries: int
    shift: int


def is_archive(head: bytes) -> bool:
    """A file that begins so is a zip archive."""
    return head[:4] in _BEGINNINGS


def read_directory(opened: OpenBytes, limits: Limits) -> ZipDirectory:
    """Read the directory of an archive.

    Args:
        opened: The archive.
        limits: `archive_members` bounds the directory, `archive_ratio` and `response_bytes` its members.

    Raises:
        SplitError: It has none, or contradicts itself.
        TruncatedError: It is cut.
        LimitError: It has too many members.
    """
    entries = list(_entries(opened, _find(opened), limits))
    times = Counter(entry.name for entry in entries)
    directory = ZipDirectory({}, {})
    for entry in entries:
        reason = _twice(entry) if times[entry.name] > 1 else refusal(entry, limits)
        if reason is not None:
            directory.refused[entry.name] = reason
        elif not entry.is_folder:
            directory.members[entry.name] = entry
    return directory


def refusal(entry: ZipEntry, limits: Limits) -> ImageLoadError | None:
    """Why a member cannot be read, if so."""
    if not is_plain_name(entry.name):
        return FetchError(f"the member {entry.name!r} is not read: its name leads out of the archive")
    if entry.flags & _ENCRYPTED:
        return FetchError(f"the member {entry.name!r} is encrypted; decrypt the archive first")
    if entry.mode and stat.S_IFMT(entry.mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return FetchError(f"the member {entry.name!r} is a link or a device, which is not followed")
    if entry.method not in {STORED, DEFLATED}:
        return FetchError(f"the member {entry.name!r} is compressed by method {entry.method}; only deflate is known")
    if entry.method == STORED and entry.packed != entry.size:
        return SplitError(f"the member {entry.name!r} is not compressed, and yet has two sizes")
    return _over_limit(entry, limits)


def is_plain_name(name: str) -> bool:
    r"""It stays inside, whoever would make a path of it: relative, without `..`, a drive or a null byte.

    >>> [is_plain_name(name) for name in ("a/b.dcm", "../b", "a/../../b", "/b", "C:b", "..\\b", "a..b")]
    [True, False, False, False, False, False, True]
    """
    parts = re.split(r"[/\\]", name)
    return bool(name) and parts[0] != "" and ".." not in parts and "\0" not in name and not _DRIVE.match(name)


def _over_limit(entry: ZipEntry, limits: Limits) -> LimitError | None:
    if entry.size > limits.response_bytes:
        return LimitError(f"the member {entry.name!r} has {entry.size} bytes (limits.response_bytes)")
    if entry.size > _BLANK_BYTES and entry.size > limits.archive_ratio * entry.packed:
        return LimitError(
            f"the member {entry.name!r} expands from {entry.packed} to {entry.size} bytes (limits.archive_ratio)"
        )
    return None


def _twice(entry: ZipEntry) -> SplitError:
    return SplitError(f"the archive has several members {entry.name!r}; which of them is meant cannot be told")


def _find(opened: OpenBytes) -> _Place:
    """Find the directory from the end of the archive."""
    size = opened.version.size
    begin = max(0, size - _END.size - _MOST_COMMENT)
    tail = read_exactly(opened, begin, size - begin)
    at = len(tail)
    while (
        at := tail.rfind(b"PK\5\6", 0, at)
    ) >= 0:  # a comment may look like one, but then it does not end the archive
        if at + _END.size <= len(tail) and at + _END.size + _END.unpack_from(tail, at)[7] == len(tail):
            return _place(opened, _END.unpack_from(tail, at), begin + at)
    raise TruncatedError(f"{opened.version.path} is no whole zip archive: it has no directory at its end")


def _place(opened: OpenBytes, end: tuple[int, ...], at: int) -> _Place:
    _, disk, first_disk, _, count, length, offset, _ = end
    before = opened.read(_LOCATOR.size, at - _LOCATOR.size) if at >= _LOCATOR.size else b""
    if before[:4] == b"PK\6\7":
        _, _, at_64, disks = _LOCATOR.unpack(before)
        at = at - _LOCATOR.size - _END_64.size if disks <= 1 else -1
        found = opened.read(_END_64.size, at) if 0 <= at_64 <= at else b""
        if len(found) != _END_64.size or found[:4] != b"PK\6\6":
            raise SplitError(
                f"{opened.version.path} is no zip archive: its directory's 64-bit end is not where it must be"
            )
        _, _, _, _, disk, first_disk, _, count, length, offset = _END_64.unpack(found)
    if disk or first_disk:
        raise SplitError(f"{opened.version.path} is a part of an archive of several; join them first")
    if length + offset > at:
        raise TruncatedError(f"{opened.version.path} is cut: its directory does not fit in front of its end")
    return _Place(at - length, at, count, at - length - offset)


def _entries(opened: OpenBytes, place: _Place, limits: Limits) -> Iterator[ZipEntry]:
    """The entries, read a piece at a time."""
    if place.entries > limits.archive_members:
        raise LimitError(f"the archive has {place.entries} members (limits.archive_members)")
    stream = _Pieces(opened, place.start, place.stop)
    found = 0
    while stream.left:
        yield _entry(stream, place.shift)
        found += 1
        if found > limits.archive_members:
            raise LimitError(f"the archive has more than {limits.archive_members} members (limits.archive_members)")
    if found != place.entries:
        raise SplitError(f"the archive's directory has {found} members where it says {place.entries}")


class _Pieces:
    """Bytes in order, of which a bounded number is held."""

    def __init__(self, opened: OpenBytes, start: int, stop: int) -> None:
        self._opened = opened
        self._next = start
        self._stop = stop
        self._data = b""
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data) or self._next < self._stop

    def take(self, count: int) -> bytes:
        while len(self._data) - self._at < count:
            more = (
                self._opened.read(min(_PIECE, self._stop - self._next), self._next) if self._next < self._stop else b""
            )
            if not more:
                raise TruncatedError("the archive's directory is cut in the middle of an entry")
            self._data, self._at = self._data[self._at :] + more, 0
            self._next += len(more)
        data = self._data[self._at : self._at + count]
        self._at += count
        return data


def _entry(stream: _Pieces, shift: int) -> ZipEntry:
    fields = _ENTRY.unpack(stream.take(_ENTRY.size))
    mark, made_by, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length = fields[:13]
    attributes, offset = fields[15:]
    if mark != b"PK\1\2":
        raise SplitError("the archive's directory has something else where an entry must be")
    name = _text(stream.take(name_length), utf_8=bool(flags & _UTF_8))
    size, packed, offset = _wide(stream.take(extra_length), size, packed, offset)
    stream.take(comment_length)
    mode = attributes >> 16 if made_by >> 8 == _UNIX else 0
    return ZipEntry(name, method, flags, crc, packed, size, offset + shift, mode)


def _text(data: bytes, *, utf_8: bool) -> str:
    """A name; what is no UTF-8 although it says so keeps its bytes."""
    return data.decode("utf-8", "surrogateescape") if utf_8 else data.decode("cp437")


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset, out of the 64-bit extra field where they are too large for the entry (4.5.3)."""
    values, at = [size, packed, offset], 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == 1:
            wide = [int.from_bytes(extra[i : i + 8], "little") for i in range(at, min(at + length, len(extra)) - 7, 8)]
            for index, value in enumerate(values):
                if value == _FULL and wide:
                    values[index] = wide.pop(0)
        at += length
    return values[0], values[1], values[2]
