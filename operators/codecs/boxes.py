"""Boxes around a codestream: JP2 and the JPEG XL container (ISO/IEC 15444-1 annex I, 18181-2)."""

from __future__ import annotations

import struct

from cornerstream.images.errors import DecodeError

_MOST_BOXES = 256


def first_box(data: bytes | memoryview, kinds: tuple[bytes, ...], name: str) -> tuple[bytes, bytes | memoryview]:
    """Kind and contents of the first box that is of one of these kinds; the contents are not copied.

    Raises:
        DecodeError: There is none within `data`.
    """
    position = 0
    for _ in range(_MOST_BOXES):
        if position + 8 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1:
            length, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        length = length or len(data) - position  # 0: up to the end
        if length < header or position + length > len(data):
            break
        if kind in kinds:
            return kind, memoryview(data)[position + header : position + length]
        position += length
    raise DecodeError(f"the {name} boxes hold no codestream")
