"""Headers of codestreams rewritten: what a codestream says about itself, made to say something else."""

from __future__ import annotations

import struct
from itertools import pairwise

_SIZ_FIELDS = ("x1", "y1", "x0", "y0", "tile_x", "tile_y", "tile_x0", "tile_y0")


def segment(codestream: bytes, marker: int) -> slice:
    """Where the first segment with that marker is, marker included; for JPEG, JPEG-LS and JPEG 2000 main headers."""
    position = 2
    while codestream[position : position + 2] != bytes((0xFF, marker)):
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
    return slice(position, position + 2 + int.from_bytes(codestream[position + 2 : position + 4], "big"))


def sof_marker(codestream: bytes) -> int:
    """Low byte of the start of frame marker."""
    position = 2
    while codestream[position + 1] not in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7):
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
    return codestream[position + 1]


def with_sof(codestream: bytes, *, marker: int = 0, sampling: int | None = None, **values: int) -> bytes:
    """The frame header of a JPEG or JPEG-LS codestream saying something else.

    Args:
        codestream: A whole one.
        marker: Another process.
        sampling: Another byte of sampling factors for the first component.
        values: `precision`, `rows`, `columns`; `components` repeats the first component.
    """
    at = segment(codestream, sof_marker(codestream))
    payload = codestream[at][4:]
    names = ("precision", "rows", "columns", "components")
    said = dict(zip(names, struct.unpack_from(">BHHB", payload), strict=True))
    fields = [payload[6:][i : i + 3] for i in range(0, 3 * said["components"], 3)]
    said |= values
    fields = [*fields, *[bytes((200 + i,)) + fields[0][1:] for i in range(9)]][: said["components"]]
    if sampling is not None:
        fields[0] = bytes((fields[0][0], sampling, fields[0][2]))
    payload = struct.pack(">BHHB", *said.values()) + b"".join(fields)
    header = bytes((0xFF, marker or codestream[at][1])) + struct.pack(">H", len(payload) + 2) + payload
    return codestream[: at.start] + header + codestream[at.stop :]


def with_siz(codestream: bytes, **values: int) -> bytes:
    """The SIZ segment of a bare JPEG 2000 codestream saying something else; `components` repeats the first one."""
    fields = dict(zip(_SIZ_FIELDS, struct.unpack_from(">8I", codestream, 8), strict=True))
    at = segment(codestream, 0x51)
    said = codestream[42 : at.stop]
    components = values.pop("components", len(said) // 3)
    said = said[:3] * components if components != len(said) // 3 else said
    head = struct.pack(">2H", 38 + len(said), int.from_bytes(codestream[6:8], "big"))
    sizes = struct.pack(">8I", *(fields | values).values())
    return codestream[:4] + head + sizes + struct.pack(">H", components) + said + codestream[at.stop :]


def with_cod(codestream: bytes, *, layers: int = 1, precincts: tuple[int, ...] = (), marker: int = 0x52) -> bytes:
    """The coding style of a bare JPEG 2000 codestream saying something else; as a COC of component 0 if asked for."""
    at = segment(codestream, 0x52)
    style = bytearray(codestream[at])
    style[6:8] = struct.pack(">H", layers)
    if precincts:
        style[4] |= 1
        sizes = [*precincts, *[precincts[-1]] * 33][: style[9] + 1]
        style = style[:14] + bytes(sizes)
    style[2:4] = struct.pack(">H", len(style) - 2)
    if marker == 0x53:
        payload = bytes((0, style[4])) + bytes(style[9:])
        added = b"\xff\x53" + struct.pack(">H", len(payload) + 2) + payload
        return codestream[: at.stop] + added + codestream[at.stop :]
    return codestream[: at.start] + bytes(style) + codestream[at.stop :]


def tile_parts(codestream: bytes) -> list[bytes]:
    """The main header, the tile-parts, and what is behind them, of a bare JPEG 2000 codestream."""
    edges = [0, codestream.index(b"\xff\x90\x00\x0a")]
    while codestream[edges[-1] : edges[-1] + 2] == b"\xff\x90":
        edges.append(edges[-1] + int.from_bytes(codestream[edges[-1] + 6 : edges[-1] + 10], "big"))
    return [codestream[start:end] for start, end in pairwise([*edges, len(codestream)])]


def with_jpegxl_size(codestream: bytes, rows: int, columns: int) -> bytes:
    """The size header of a bare JPEG XL codestream saying something else."""
    bits, length = _bits(codestream), _size_length(_bits(codestream))
    size = 0b110 | (rows - 1) << 3 | 0b11 << 36 | (columns - 1) << 38  # not small, 30 bits, no ratio, 30 bits
    return _codestream(size | bits >> length << 68)


def with_jpegxl_extras(codestream: bytes, extras: int) -> bytes:
    """The metadata behind the size header beginning with other bits, least significant first: 0, 1, then `extras`."""
    bits = _bits(codestream)
    length = _size_length(bits)
    return _codestream(bits & (1 << length) - 1 | (0b10 | extras << 2) << length | bits >> length << length + 40)


def _bits(codestream: bytes) -> int:
    return int.from_bytes(codestream[2:], "little")


def _codestream(bits: int) -> bytes:
    return b"\xff\x0a" + bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _size_length(bits: int) -> int:
    if bits & 1:
        return 9 if bits >> 6 & 7 else 14
    first = (9, 13, 18, 30)[bits >> 1 & 3]
    ratio = bits >> 3 + first & 7
    return first + 6 if ratio else first + 8 + (9, 13, 18, 30)[bits >> 6 + first & 3]
