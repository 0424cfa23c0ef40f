"""The way through ordinary data elements at the speed of one unpacking each.

A header is a hundred elements of which a few matter. Those that are wholly here, in little endian and of known length, are
passed in one loop; at anything else it stops, and the parser of `elements.py` goes on. So that one alone decides what is
refused, and this one only what is ordinary.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from cornerstream.operators.elements import LONG_VRS, SHORT_VRS, Element

if TYPE_CHECKING:
    from collections.abc import Container

    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_stream import ByteStream
    from cornerstream.operators.elements import Encoding

_WINDOW = 1 << 14  # copied at once: a header of the usual size
_EXPLICIT = Struct("<HH2sHI")
_IMPLICIT = Struct("<HHI")


def pass_plain_elements(
    stream: ByteStream,
    encoding: Encoding,
    tags: range,
    kept: Container[int],
    found: dict[int, Element],
    limits: Limits,
) -> None:
    """Pass the ordinary elements that come next, and are here.

    Args:
        stream: Stands at an element.
        encoding: How the elements are written; nothing in big endian is ordinary.
        tags: What may be passed.
        kept: The tags whose elements are taken.
        found: Receives them; an element that is there already is left to the parser.
        limits: What would reach one is left to the parser.
    """
    if encoding.big_endian:
        return
    room = limits.header_bytes - stream.position
    data = stream.peek(min(_WINDOW, max(0, room)))
    most = limits.elements - stream.elements
    walk = _pass_implicit if encoding.implicit else _pass_explicit
    end, count = walk(data, tags, kept, found, encoding, most)
    stream.elements += count
    stream.skip(end)


def _pass_explicit(
    data: bytes, tags: range, kept: Container[int], found: dict[int, Element], encoding: Encoding, most: int
) -> tuple[int, int]:
    """Where it stopped, and how many it passed."""
    unpack, at, count, size = _EXPLICIT.unpack_from, 0, 0, len(data)
    while at + 12 <= size and count < most:
        group, number, vr, length, long = unpack(data, at)
        begin = at + 8
        if vr not in SHORT_VRS:
            if vr not in LONG_VRS:
                break
            begin, length = at + 12, long
        end, tag = begin + length, group << 16 | number
        if end > size or tag not in tags or tag in found:
            break
        if tag in kept:
            found[tag] = Element(vr, data[begin:end], encoding)
        at = end
        count += 1
    return at, count


def _pass_implicit(
    data: bytes, tags: range, kept: Container[int], found: dict[int, Element], encoding: Encoding, most: int
) -> tuple[int, int]:
    """As `_pass_explicit`, for elements without their value representation."""
    unpack, at, count, size = _IMPLICIT.unpack_from, 0, 0, len(data)
    while at + 8 <= size and count < most:
        group, number, length = unpack(data, at)
        end, tag = at + 8 + length, group << 16 | number
        if end > size or tag not in tags or tag in found:
            break
        if tag in kept:
            found[tag] = Element(b"", data[at + 8 : end], encoding)
        at = end
        count += 1
    return at, count
