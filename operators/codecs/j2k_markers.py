"""Size and tile-parts of JPEG 2000 and HTJ2K codestreams (ISO/IEC 15444-1 annex A, 15444-15)."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.boxes import first_box
from cornerstream.operators.codecs.guards import END_OF_IMAGE, CodestreamHeader, check_header, without_padding
from cornerstream.operators.codecs.j2k_coding import Area, check_packets, packets_of, segments

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOC_SIZ, _SOT, _SOD = b"\xff\x4f\xff\x51", 0xFF90, 0xFF93
_SOT_MARKER = _SOT.to_bytes(2, "big")
_SIZ = struct.Struct(">HHIIIIIIIIH")  # Lsiz Rsiz Xsiz Ysiz XOsiz YOsiz XTsiz YTsiz XTOsiz YTOsiz Csiz
_SOT_SEGMENT = struct.Struct(">HHHIBB")  # marker Lsot Isot Psot TPsot TNsot
_MOST_TILES = 65535
_MOST_TILE_PARTS = 1 << 17
_HEAD_BYTES = 1024  # longer main headers are not remembered
_HEADS = 32


@dataclass(frozen=True, slots=True)
class Siz:
    """The SIZ segment.

    Attributes:
        header: Rows, columns, components, precision and sign.
        area: Where the image lies on the reference grid.
        first_tile: Where the first tile lies; the others follow it without a gap.
    """

    header: CodestreamHeader
    area: Area
    first_tile: Area

    @property
    def tiles_across(self) -> int:
        """Tiles in a row."""
        return -(-(self.area.x1 - self.first_tile.x0) // (self.first_tile.x1 - self.first_tile.x0))

    @property
    def tiles(self) -> int:
        """Tiles of the image."""
        down = -(-(self.area.y1 - self.first_tile.y0) // (self.first_tile.y1 - self.first_tile.y0))
        return self.tiles_across * down

    def tile(self, index: int) -> Area:
        """Where a tile lies."""
        row, column = divmod(index, self.tiles_across)
        width, height = self.first_tile.x1 - self.first_tile.x0, self.first_tile.y1 - self.first_tile.y0
        x, y = self.first_tile.x0 + column * width, self.first_tile.y0 + row * height
        return Area(
            max(x, self.area.x0),
            max(y, self.area.y0),
            min(x + width, self.area.x1),
            min(y + height, self.area.y1),
        )


@dataclass(frozen=True, slots=True)
class MainHeader:
    """What the header in front of the tile-parts says, found to be possible.

    Attributes:
        siz: Its SIZ segment.
        end: Where the first tile-part begins.
        packets: That its coding styles ask for.
    """

    siz: Siz
    end: int
    packets: int


def checked_codestream(frame: EncodedFrame) -> tuple[bytes | memoryview, Siz]:
    """The codestream of a frame, found complete and as the data set describes it, before a decoder sees it.

    Raises:
        DecodeError: It is cut, is no JPEG 2000, or contradicts the description.
    """
    codestream = _without_boxes(without_padding(frame.data, "JPEG 2000"))
    known = _known_header(codestream)
    siz = read_siz(codestream) if known is None else known.siz
    check_header(siz.header, frame.metadata)
    _follow_tile_parts(codestream, _main_header(codestream, siz) if known is None else known)
    return codestream, siz


def read_siz(codestream: bytes | memoryview) -> Siz:
    """Read the SIZ segment (ISO/IEC 15444-1 A.5.1).

    Raises:
        DecodeError: There is none, or its sizes cannot be: some of those keep a decoder busy for ever.
    """
    if codestream[:4] != _SOC_SIZ or len(codestream) < 4 + _SIZ.size:
        raise DecodeError("not a JPEG 2000 codestream: it does not begin with FF 4F FF 51")
    length, _, x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = _SIZ.unpack_from(codestream, 4)
    fields = bytes(codestream[4 + _SIZ.size : 4 + length])
    if not components or length != _SIZ.size + 3 * components or len(fields) != 3 * components:
        raise DecodeError("the JPEG 2000 SIZ segment is cut short")
    _check_tiles(x0, x1, tile_x0, tile_x)
    _check_tiles(y0, y1, tile_y0, tile_y)
    if len(set(fields[::3])) > 1 or set(fields[1::3] + fields[2::3]) != {1}:
        raise DecodeError("the JPEG 2000 components differ in depth or are subsampled (PS3.5 8.2.4)")
    depth = fields[0]
    header = CodestreamHeader(y1 - y0, x1 - x0, components, (depth & 0x7F) + 1, bool(depth & 0x80))
    siz = Siz(header, Area(x0, y0, x1, y1), Area(tile_x0, tile_y0, tile_x0 + tile_x, tile_y0 + tile_y))
    if siz.tiles > _MOST_TILES:
        raise DecodeError("the JPEG 2000 SIZ segment says more tiles than there can be")
    return siz


def check_tile_parts(codestream: bytes | memoryview, siz: Siz) -> None:
    """Follow the tile-parts from the first to the end marker: each says its length (ISO/IEC 15444-1 A.4.2).

    Decoders take a tile that is not there for a blank one.

    Raises:
        DecodeError: They do not end where the codestream ends, or a tile is missing, or the coding style cannot be.
    """
    _follow_tile_parts(codestream, _main_header(codestream, siz))


def _known_header(codestream: bytes | memoryview) -> MainHeader | None:
    """The main header, if one of exactly these bytes was read before; those of the frames of a series hardly differ.

    `None` for whatever is too long for that, or wrong.
    """
    head = bytes(codestream[:_HEAD_BYTES])
    end = head.find(_SOT_MARKER)  # in the middle of a segment it ends a header that is found to be cut
    return _header_of(head[:end]) if end > 0 else None


@lru_cache(maxsize=_HEADS)
def _header_of(head: bytes) -> MainHeader | None:
    try:
        return _main_header(head + _SOT_MARKER, read_siz(head))
    except DecodeError:
        return None  # whoever reads it with what is behind it finds out why


def _main_header(codestream: bytes | memoryview, siz: Siz) -> MainHeader:
    """Read the main header; nothing behind the marker that ends it is looked at."""
    main = segments(codestream, 2, _SOT)
    return MainHeader(siz, main.end, packets_of(main.styles, siz.area, siz.header.samples))


def _follow_tile_parts(codestream: bytes | memoryview, main: MainHeader) -> None:
    check_packets(main.packets, len(codestream))
    siz, tiles, position = main.siz, main.siz.tiles, main.end
    found, said = defaultdict[int, int](int), defaultdict[int, int](int)
    end = len(codestream) - len(END_OF_IMAGE)
    for _ in range(_MOST_TILE_PARTS):
        if position >= end:
            break
        tile, parts, after = _tile_part(codestream, position, end)
        if tile >= tiles:
            raise DecodeError(f"the JPEG 2000 codestream has a tile {tile}, of {tiles}")
        found[tile] += 1
        said[tile] = max(said[tile], parts)
        styles = segments(codestream, position + _SOT_SEGMENT.size, _SOD, after).styles
        if styles:
            check_packets(packets_of(styles, siz.tile(tile), siz.header.samples), len(codestream))
        position = after
    if position != end:
        raise DecodeError(f"the JPEG 2000 codestream is cut: a tile-part ends {position - end} bytes behind its end")
    if len(found) < tiles or any(found[tile] < said[tile] for tile in found):
        raise DecodeError(f"the JPEG 2000 codestream is not complete: tiles or tile-parts of {tiles} are missing")


def _tile_part(codestream: bytes | memoryview, position: int, end: int) -> tuple[int, int, int]:
    """Tile, tile-parts it has (0 if that is not said), and where the next one begins."""
    if position + _SOT_SEGMENT.size > end:
        raise DecodeError("a JPEG 2000 tile-part header is cut short")
    marker, size, tile, length, _, parts = _SOT_SEGMENT.unpack_from(codestream, position)
    if marker != _SOT or size != 10 or (length and length < _SOT_SEGMENT.size):
        raise DecodeError("a JPEG 2000 tile-part does not begin where the one before it ends")
    return tile, parts, position + length if length else end  # 0: the last one, up to the end marker


def _check_tiles(start: int, end: int, tile_start: int, tile: int) -> None:
    """Image and tile grid on one axis (ISO/IEC 15444-1 B.2 and B.3)."""
    if not (tile and tile_start <= start < end and tile_start + tile > start):
        raise DecodeError("the image and tile sizes in the JPEG 2000 SIZ segment contradict each other")


def _without_boxes(data: bytes | memoryview) -> bytes | memoryview:
    """The codestream inside JP2 boxes, which do not belong in DICOM and are found nevertheless (PS3.5 A.4.4)."""
    if data[:8] != _JP2_SIGNATURE:
        return data
    return without_padding(first_box(data, (b"jp2c",), "JP2")[1], "JPEG 2000")
