"""The chunks of a PNG: walked to IEND, their checksums, lengths and places proven (W3C PNG, third edition, 5 and 11)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError, SplitError, TruncatedError
from cornerstream.operators.web_page import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.limits import Limits

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # colour types
_IHDR = struct.Struct(">IIBBBBB")
_CHUNK = struct.Struct(">I4s")
_SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
_BITS = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8), RGB: (8, 16), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
# Chunks of one length only; another one makes the file contradict itself.
_LENGTHS = {
    b"IHDR": 13,
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"pHYs": 9,
    b"tIME": 7,
    b"sTER": 1,
    b"acTL": 8,
    b"IEND": 0,
}
_MOST_CHUNKS = 1 << 20


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What an IHDR chunk says.

    Attributes:
        columns: Width in pixels.
        rows: Height in pixels.
        bits: Of a sample: 1, 2, 4, 8 or 16.
        color_type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha.
        interlace: 0 none, 1 Adam7.
    """

    columns: int
    rows: int
    bits: int
    color_type: int
    interlace: int

    @property
    def samples(self) -> int:
        """Samples of a pixel in the file."""
        return _SAMPLES[self.color_type]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Of its samples, unpacked."""
        return np.dtype(np.uint16 if self.bits == 16 else np.uint8)


class PngChunks:
    """What the chunks of a file say, taken one after the other.

    Args:
        limits: Bounds what the header says, as soon as it says so.

    Attributes:
        found: Data of the chunks that matter, by their kind.
        span: Where the IDAT chunks lie, their lengths, kinds and checksums included.
        data_bytes: Bytes of their data.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.found: dict[bytes, bytes] = {}
        self.span = (0, 0)
        self.data_bytes = 0

    @property
    def header(self) -> PngHeader:
        """The header.

        Raises:
            DecodeError: It says what no PNG has.
        """
        columns, rows, bits, color_type, compression, filters, interlace = _IHDR.unpack(self.found[b"IHDR"])
        if bits not in _BITS.get(color_type, ()):
            raise DecodeError(f"no PNG has {bits} bits a sample with colour type {color_type}")
        if compression or filters or interlace > 1:
            raise DecodeError(f"no PNG has compression {compression}, filter {filters} and interlacing {interlace}")
        return PngHeader(columns, rows, bits, color_type, interlace)

    def get(self, kind: bytes) -> bytes | None:
        """The data of a chunk; `None` where it is not there."""
        return self.found.get(kind)

    def take(self, kind: bytes, data: memoryview, start: int) -> None:
        """Note a chunk that says something about the picture."""
        if (kind == b"IHDR") == bool(self.found):
            raise SplitError("a PNG begins with one IHDR chunk, and this one does not")
        if kind == b"IDAT":
            self._take_data(data, start)
        elif kind in (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf"):
            if kind in self.found or (self.data_bytes and kind in (b"PLTE", b"tRNS", b"iCCP")):
                raise SplitError(f"the PNG chunk {kind.decode()} is there twice, or behind the data it is about")
            self.found[kind] = bytes(data)
            if kind == b"IHDR":
                header = self.header
                check_size(header.rows, header.columns, header.samples * header.dtype.itemsize, self._limits)
        elif not kind[0] & 0x20 and kind != b"IEND":  # bit 5: ancillary
            raise DecodeError(f"the PNG needs the chunk {kind!r}, which no standard knows")

    def _take_data(self, data: memoryview, start: int) -> None:
        first, end = self.span
        if first and end != start - _CHUNK.size:
            raise SplitError("the IDAT chunks of the PNG do not follow each other")
        self.span = (first or start - _CHUNK.size, start + len(data) + 4)
        self.data_bytes += len(data)

    def checked(self) -> PngHeader:
        """The header, once all chunks are there and go together."""
        header = self.header
        if not self.data_bytes:
            raise SplitError("the PNG has no IDAT chunk with data")
        entries, transparency = self.get(b"PLTE"), self.get(b"tRNS")
        if entries is not None and not (entries and len(entries) % 3 == 0 and len(entries) <= 768):
            raise SplitError(f"a PNG palette of {len(entries)} bytes cannot be")
        if header.color_type == PALETTE and entries is None:
            raise SplitError("the PNG has palette indices and no palette")
        if transparency is not None and not _fits(transparency, header, entries):
            raise SplitError(
                f"a PNG tRNS chunk of {len(transparency)} bytes contradicts colour type {header.color_type}"
            )
        return header


def walk_png(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the data lies, of each chunk to IEND; its checksum is right."""
    position = len(SIGNATURE)
    view = memoryview(body)
    for _ in range(_MOST_CHUNKS):
        if position + _CHUNK.size > len(body):
            raise TruncatedError(f"the PNG of {len(body)} bytes ends before its IEND chunk")
        length, kind = _CHUNK.unpack_from(body, position)
        start, end = position + _CHUNK.size, position + _CHUNK.size + length
        if not (kind.isalpha() and kind.isascii()) or length > 0x7FFFFFFF:
            raise SplitError(f"no PNG chunk begins at byte {position}: it would be {kind!r} of {length} bytes")
        if _LENGTHS.get(kind, length) != length:
            raise SplitError(f"a PNG chunk {kind.decode()} of {length} bytes cannot be")
        if end + 4 > len(body):
            raise TruncatedError(f"the PNG ends {end + 4 - len(body)} bytes too early, in its chunk {kind.decode()}")
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise SplitError(f"the checksum of the PNG chunk {kind.decode()} at byte {position} is wrong")
        yield kind, start, end
        if kind == b"IEND":
            return
        position = end + 4
    raise LimitError(f"the PNG has more than {_MOST_CHUNKS} chunks")


def _fits(transparency: bytes, header: PngHeader, entries: bytes | None) -> bool:
    if header.color_type == PALETTE:
        return 0 < len(transparency) <= len(entries or b"") // 3
    return len(transparency) == {GREY: 2, RGB: 6}.get(header.color_type)


def bare_png(header: PngHeader, data: bytes | memoryview) -> bytes:
    """A PNG of a header and IDAT chunks alone; palette indices become grey levels."""
    grey = GREY if header.color_type == PALETTE else header.color_type
    ihdr = _IHDR.pack(header.columns, header.rows, header.bits, grey, 0, 0, header.interlace)
    return b"".join((SIGNATURE, png_chunk(b"IHDR", ihdr), data, png_chunk(b"IEND", b"")))


def chunk_data(chunks: memoryview, skip: int = 0) -> bytes:
    """The data of chunks that follow each other, joined; without the first `skip` bytes of each."""
    pieces, position = [], 0
    while position < len(chunks):
        length, _ = _CHUNK.unpack_from(chunks, position)
        pieces.append(chunks[position + _CHUNK.size + skip : position + _CHUNK.size + length])
        position += _CHUNK.size + length + 4
    return b"".join(pieces)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return _CHUNK.pack(len(data), kind) + data + zlib.crc32(kind + data).to_bytes(4, "big")
