"""Main header and tile-parts of JPEG 2000 and HTJ2K codestreams (ISO/IEC 15444-1 annex A, 15444-15)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.guards import CodestreamHeader, check_header, without_padding

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOC_SIZ, _SOT = b"\xff\x4f\xff\x51", b"\xff\x90"
_SIZ = struct.Struct(">HHIIIIIIIIH")  # Lsiz Rsiz Xsiz Ysiz XOsiz YOsiz XTsiz YTsiz XTOsiz YTOsiz Csiz
_SOT_SEGMENT = struct.Struct(">2sHHIBB")  # marker Lsot Isot Psot TPsot TNsot
_MOST_TILES = 65535


def checked_codestream(frame: EncodedFrame) -> tuple[bytes, CodestreamHeader]:
    """The codestream of a frame, found complete and as the data set describes it, before a decoder sees it.

    Raises:
        DecodeError: It is cut, is no JPEG 2000, or contradicts the description.
    """
    codestream = _without_boxes(without_padding(frame.data, "JPEG 2000"))
    header = read_siz(codestream)
    check_header(header, frame.metadata)
    check_tile_parts(codestream)
    return codestream, header


def read_siz(codestream: bytes) -> CodestreamHeader:
    """Read the SIZ segment (ISO/IEC 15444-1 A.5.1).

    Raises:
        DecodeError: There is none, or its sizes cannot be: some of those keep a decoder busy for ever.
    """
    if codestream[:4] != _SOC_SIZ or len(codestream) < 4 + _SIZ.size:
        raise DecodeError("not a JPEG 2000 codestream: it does not begin with FF 4F FF 51")
    length, _, x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = _SIZ.unpack_from(codestream, 4)
    fields = codestream[4 + _SIZ.size : 4 + length]
    if not components or length != _SIZ.size + 3 * components or len(fields) != 3 * components:
        raise DecodeError("the JPEG 2000 SIZ segment is cut short")
    _check_tiles(x0, x1, tile_x0, tile_x)
    _check_tiles(y0, y1, tile_y0, tile_y)
    if -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y) > _MOST_TILES:
        raise DecodeError("the JPEG 2000 SIZ segment says more tiles than there can be")
    depths = {fields[i] for i in range(0, len(fields), 3)}
    if len(depths) > 1 or any(fields[i + 1 : i + 3] != b"\1\1" for i in range(0, len(fields), 3)):
        raise DecodeError("the JPEG 2000 components differ in depth or are subsampled (PS3.5 8.2.4)")
    depth = depths.pop()
    return CodestreamHeader(y1 - y0, x1 - x0, components, (depth & 0x7F) + 1, bool(depth & 0x80))


def check_tile_parts(codestream: bytes) -> None:
    """Follow the tile-parts from the first to the end marker: each says its length (ISO/IEC 15444-1 A.4.2).

    Raises:
        DecodeError: They do not end where the codestream ends: bytes are missing.
    """
    position, end = _first_tile_part(codestream), len(codestream) - 2
    while position < end:
        if position + _SOT_SEGMENT.size > end:
            raise DecodeError("a JPEG 2000 tile-part header is cut short")
        marker, _, _, length, _, _ = _SOT_SEGMENT.unpack_from(codestream, position)
        if marker != _SOT or (length and length < _SOT_SEGMENT.size):
            raise DecodeError("a JPEG 2000 tile-part does not begin where the one before it ends")
        position = position + length if length else end  # 0: the last one, up to the end marker
    if position != end:
        raise DecodeError(f"the JPEG 2000 codestream is cut: a tile-part ends {position - end} bytes behind its end")


def _check_tiles(start: int, end: int, tile_start: int, tile: int) -> None:
    """Image and tile grid on one axis (ISO/IEC 15444-1 B.2 and B.3)."""
    if not (tile and tile_start <= start < end and tile_start + tile > start):
        raise DecodeError("the image and tile sizes in the JPEG 2000 SIZ segment contradict each other")


def _first_tile_part(codestream: bytes) -> int:
    """Walk the marker segments of the main header, from SIZ on."""
    position = 2
    while position + 4 <= len(codestream) and codestream[position] == 0xFF:
        if codestream[position : position + 2] == _SOT:
            return position
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
    raise DecodeError("the JPEG 2000 codestream has no tile-part")


def _without_boxes(data: bytes) -> bytes:
    """The codestream inside JP2 boxes, which do not belong in DICOM and are found nevertheless (PS3.5 A.4.4)."""
    if data[:8] != _JP2_SIGNATURE:
        return data
    position = 0
    while position + 16 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1:
            length, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if kind == b"jp2c":
            return data[position + header :] if not length else data[position + header : position + length]
        if length < header:
            break
        position += length
    raise DecodeError("the JP2 boxes hold no codestream")
