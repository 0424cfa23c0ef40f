"""The directories of a TIFF, and whether its strips or tiles lie within it (TIFF 6.0 section 2, BigTIFF)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError, LimitError, SplitError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cornerstream.images.limits import Limits

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}  # integers by type
_PLANAR, _COMPRESSION, _NONE, _GROUP_4, _JPEG = 284, 259, 1, 4, 7
# Group 3 is not among them: libtiff makes white of what is missing, and nothing in the data says where it ends.
_DECODED = frozenset(
    {_NONE, _GROUP_4, 5, _JPEG, 8, 32773, 32946, 34925, 50000}
)  # 5 LZW, then deflate, PackBits and others
_FILL_ORDER = 266
_MOST_ENTRIES = 4096
_END_OF_IMAGE = b"\xff\xd9"
_END_OF_FACSIMILE = "000000000001" * 2  # ITU-T T.6, 2.4.1.1


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory of a file.

    Attributes:
        index: Its place in the file, from 0.
        body: The file.
        order: `<` or `>`, as `struct` has it.
        entries: By tag: type, number of values, and where they lie.
    """

    index: int
    body: bytes = field(repr=False)
    order: str
    entries: Mapping[int, tuple[int, int, int]] = field(repr=False)

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return self.one(257, 0)

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.one(256, 0)

    def all(self, tag: int) -> tuple[int, ...]:
        """The integers of an entry; none if it is not there.

        Raises:
            SplitError: They are no integers.
            TruncatedError: They lie behind the end of the file.
        """
        if tag not in self.entries:
            return ()
        kind, count, place = self.entries[tag]
        if kind not in _FORMATS:
            raise SplitError(f"the TIFF entry {tag} is of type {kind}, which is no integer")
        if place + count * struct.calcsize(f"{self.order}{_FORMATS[kind]}") > len(self.body):
            raise TruncatedError(f"the TIFF of {len(self.body)} bytes ends within the values of its entry {tag}")
        return struct.unpack_from(f"{self.order}{count}{_FORMATS[kind]}", self.body, place)

    def one(self, tag: int, otherwise: int) -> int:
        """The first integer of an entry."""
        return next(iter(self.all(tag)), otherwise)

    def data(self, tag: int) -> bytes:
        """The bytes of an entry."""
        kind, count, place = self.entries.get(tag, (0, 0, 0))
        if kind not in (1, 7):
            return b""
        if place + count > len(self.body):
            raise TruncatedError(f"the TIFF of {len(self.body)} bytes ends within its entry {tag}")
        return self.body[place : place + count]


def read_directories(body: bytes, limits: Limits) -> list[Directory]:
    """Follow the directories from the first to the last.

    Raises:
        TruncatedError: One lies behind the end of the file.
        SplitError: One comes twice, they overlap, or one has more entries than there can be.
        LimitError: There are more than `limits.frames`.
    """
    order, big = "<" if body[:2] == b"II" else ">", body[2:4] in (b"+\0", b"\0+")
    position = _number(body, 8 if big else 4, order, "Q" if big else "I")
    found: list[Directory] = []
    seen: set[int] = set()
    taken = 0
    while position:
        if position in seen:
            raise SplitError("the directories of the TIFF come around again")
        if len(found) >= limits.frames:
            raise LimitError(f"the TIFF has more pages than the limit frames={limits.frames}")
        seen.add(position)
        entries, length, position = _directory(body, position, order, big=big)
        taken += length
        if taken > len(body):  # a directory every six bytes would be thousands of entries for each of them
            raise SplitError(f"the directories of the TIFF overlap: {taken} bytes in a file of {len(body)}")
        found.append(Directory(len(found), body, order, entries))
    if not found:
        raise SplitError("the TIFF has no directory")
    return found


def check_sharing(body: bytes, pictures: Sequence[Directory]) -> None:
    """Pages may have strips or tiles in common, but not so many that looking at them page by page never ends.

    Raises:
        SplitError: All pages together have more strips or tiles than the file has bytes.
    """
    pieces = sum(found.entries.get(tag, (0, 0, 0))[1] for found in pictures for tag in (273, 324))
    if len(pictures) > 1 and pieces > len(body):
        raise SplitError(f"the pages of the TIFF have {pieces} strips or tiles, and the file {len(body)} bytes")


def check_extents(body: bytes, found: Directory, samples: int, bits: int) -> None:
    """Every strip or tile is there, lies within the file, and is as long as its pixels if it is not compressed.

    Raises:
        SplitError: Their number contradicts the size of the picture.
        TruncatedError: One ends behind the file, or too early for its pixels.
        DecodeError: Their compression is not decoded.
    """
    compression = found.one(_COMPRESSION, _NONE)
    if compression not in _DECODED:
        raise DecodeError(f"a TIFF with compression {compression} is not decoded")
    planes = samples if found.one(_PLANAR, 1) == 2 else 1
    pieces, size, last = _pieces(found, bits * (1 if planes > 1 else samples))
    tiled = 322 in found.entries
    offsets, counts = found.all(324 if tiled else 273), found.all(325 if tiled else 279)
    if not len(offsets) == len(counts) == pieces * planes:
        raise SplitError(f"the TIFF has {len(offsets)} strips or tiles of {len(counts)} lengths, not {pieces * planes}")
    fill_order = found.one(_FILL_ORDER, 1)
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=True), start=1):
        if offset + count > len(body):
            raise TruncatedError(f"the TIFF ends {offset + count - len(body)} bytes too early, at byte {len(body)}")
        if not count or (compression == _NONE and count < (size if index % pieces else last)):
            raise TruncatedError(f"a strip or tile of the TIFF has {count} bytes, which cannot hold its pixels")
        _check_end(compression, body[max(offset, offset + count - 16) : offset + count], fill_order)


def _check_end(compression: int, tail: bytes, fill_order: int) -> None:
    """What libtiff would fill up in silence ends with its end marker."""
    if compression == _JPEG and _END_OF_IMAGE not in tail:
        raise TruncatedError("a strip or tile of the TIFF is a JPEG without its end marker (FF D9)")
    if compression == _GROUP_4 and _END_OF_FACSIMILE not in _bits(tail, fill_order):
        raise TruncatedError("a strip or tile of the TIFF is a facsimile without its end (EOFB)")


def _bits(data: bytes, fill_order: int) -> str:
    """Bits in the order in which a facsimile is read; in fill order 2 the lowest of a byte is the first."""
    return "".join(f"{byte:08b}"[:: -1 if fill_order == 2 else 1] for byte in data)


def _pieces(found: Directory, pixel_bits: int) -> tuple[int, int, int]:
    """Strips or tiles of a plane, and how many bytes each, and the last one, takes if it is not compressed."""
    if 322 in found.entries:
        wide, high = found.one(322, 0), found.one(323, 0)
        if wide < 1 or high < 1:
            raise SplitError(f"TIFF tiles of {high} × {wide} pixels cannot be")
        size = high * -(-wide * pixel_bits // 8)
        return -(-found.columns // wide) * -(-found.rows // high), size, size
    high = min(found.one(278, found.rows), found.rows)
    if high < 1:
        raise SplitError("TIFF strips of no rows cannot be")
    strips, line = -(-found.rows // high), -(-found.columns * pixel_bits // 8)
    return strips, high * line, (found.rows - high * (strips - 1)) * line


def _directory(
    body: bytes, position: int, order: str, *, big: bool
) -> tuple[dict[int, tuple[int, int, int]], int, int]:
    """The entries of a directory, how many bytes it takes, and where the next one is."""
    count = _number(body, position, order, "Q" if big else "H")
    if count > _MOST_ENTRIES:
        raise SplitError(f"a TIFF directory of {count} entries cannot be")
    start, size, wide = (position + 8, 20, "Q") if big else (position + 2, 12, "I")
    inside = size - 8 if big else 4
    entries: dict[int, tuple[int, int, int]] = {}
    for entry in range(start, start + count * size, size):
        following = _number(body, entry + size - (8 if big else 4), order, wide)  # the whole entry is there
        tag, kind = _number(body, entry, order, "H"), _number(body, entry + 2, order, "H")
        values = _number(body, entry + 4, order, wide)
        held = values * struct.calcsize(_FORMATS.get(kind, "Q")) <= (8 if big else inside)
        entries[tag] = kind, values, entry + size - (8 if big else 4) if held else following
    end = start + count * size
    return entries, end - position, _number(body, end, order, wide)


def _number(body: bytes, position: int, order: str, kind: str) -> int:
    if position + struct.calcsize(kind) > len(body):
        raise TruncatedError(f"the TIFF of {len(body)} bytes ends before byte {position}, where a directory goes on")
    number: int = struct.unpack_from(order + kind, body, position)[0]
    return number
