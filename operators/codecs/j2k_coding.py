"""Marker segments of JPEG 2000 headers, and coding styles that a decoder can survive (ISO/IEC 15444-1 A.6, B.6 to B.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cornerstream.images.errors import DecodeError

_SIZ, _COD, _COC, _QCD = 0xFF51, 0xFF52, 0xFF53, 0xFF5C
_MOST_SEGMENTS = 4096
_MOST_LEVELS = 32


class Area(NamedTuple):
    """A rectangle of the reference grid, its end exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class CodingStyle:
    """A COD or COC segment.

    Attributes:
        component: Which one it is for; `None` for all.
        layers: Quality layers; 0 where they are said elsewhere.
        precincts: Exponents of width and height of a precinct at each resolution, the lowest first.
    """

    component: int | None
    layers: int
    precincts: tuple[tuple[int, int], ...]


class Segments(NamedTuple):
    """What a header holds: where it ends, and its coding styles."""

    end: int
    styles: tuple[CodingStyle, ...]


def segments(codestream: bytes | memoryview, start: int, last: int, limit: int | None = None) -> Segments:
    """Walk the marker segments of a header, up to the marker that ends it.

    Args:
        codestream: All of it.
        start: Where its first marker is.
        last: The marker that ends it, SOT or SOD.
        limit: Where it must have ended.

    Raises:
        DecodeError: The header does not end, or has a segment twice, or lacks one.
    """
    position, end = start, len(codestream) if limit is None else limit
    seen: list[int] = []
    styles: list[CodingStyle] = []
    for _ in range(_MOST_SEGMENTS):
        marker = int.from_bytes(codestream[position : position + 2], "big")
        length = int.from_bytes(codestream[position + 2 : position + 4], "big")
        if marker == last and position + 2 <= end:
            _check_once(seen, main=start == 2)
            return Segments(position, tuple(styles))
        if marker < 0xFF00 or length < 2 or position + 2 + length > end:
            break
        seen.append(marker)
        if marker in (_COD, _COC):
            styles.append(_coding_style(marker, bytes(codestream[position + 4 : position + 2 + length])))
        position += 2 + length
    raise DecodeError("a JPEG 2000 header does not end: the codestream has no tile-part there, or no data in one")


def packets_of(styles: tuple[CodingStyle, ...], area: Area, components: int) -> int:
    """Packets that coding styles ask for: one for each precinct of each resolution, layer and component.

    Args:
        styles: Of one header; the last one holds of several for the same component.
        area: Of the image, or of a tile.
        components: How many there are.

    Raises:
        DecodeError: There are precincts that cannot be.
    """
    own = {style.component: style for style in styles}
    default = own.pop(None, None)
    layers = 1 if default is None else default.layers
    used = [(style, 1) for component, style in own.items() if component is not None and component < components]
    if default is not None and len(used) < components:
        used.append((default, components - len(used)))
    if any(0 in exponents for style, _ in used for exponents in style.precincts[1:]):  # A.6.1: at the lowest alone
        raise DecodeError("JPEG 2000 precincts of one sample cannot be")
    return sum(layers * count * _precincts(style, area) for style, count in used)


def check_packets(packets: int, nbytes: int) -> None:
    """Refuse coding styles that would keep a decoder busy, or let it allocate, for ever.

    A packet has a byte at least. Tiles cut precincts up and never make them fewer.

    Raises:
        DecodeError: There are more packets than bytes, or none.
    """
    if not 0 < packets <= nbytes:
        raise DecodeError(f"the JPEG 2000 coding style says {packets} packets, in a codestream of {nbytes} bytes")


def _precincts(style: CodingStyle, area: Area) -> int:
    """Precincts of all resolutions of an area."""
    levels = len(style.precincts) - 1
    return sum(
        _spanned(area.x0, area.x1, levels - resolution, width) * _spanned(area.y0, area.y1, levels - resolution, height)
        for resolution, (width, height) in enumerate(style.precincts)
    )


def _spanned(start: int, end: int, reduction: int, exponent: int) -> int:
    """Precincts that a span touches at a resolution."""
    first, last = ((edge + (1 << reduction) - 1) >> reduction for edge in (start, end))
    return 0 if first == last else ((last - 1) >> exponent) - (first >> exponent) + 1


def _coding_style(marker: int, payload: bytes) -> CodingStyle:
    """Scod, SGcod and SPcod, or Ccoc, Scoc and SPcoc, of fewer than 257 components."""
    at = 5 if marker == _COD else 2
    if len(payload) < at + 5:
        raise DecodeError("a JPEG 2000 coding style is cut short")
    levels, defined = payload[at], payload[0 if marker == _COD else 1] & 1
    exponents = payload[at + 5 :] if defined else b"\xff" * (levels + 1)
    if levels > _MOST_LEVELS or len(exponents) != levels + 1:
        raise DecodeError(f"a JPEG 2000 coding style of {levels} levels has precincts for {len(exponents)}")
    precincts = tuple((value & 15, value >> 4) for value in exponents)
    if marker == _COC:
        return CodingStyle(payload[0], 0, precincts)
    return CodingStyle(None, int.from_bytes(payload[2:4], "big"), precincts)


def _check_once(seen: list[int], *, main: bool) -> None:
    """A main header has SIZ, COD and QCD once; no header has COD twice (ISO/IEC 15444-1 table A.2)."""
    for marker in (_SIZ, _COD, _QCD):
        if (main and seen.count(marker) != 1) or seen.count(marker) > 1:
            raise DecodeError(f"a JPEG 2000 header has {seen.count(marker)} segments of {marker:04X}")
