"""Lookup tables out of their attributes: plain, and segmented ones expanded (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2).

Everything here is bounded by the descriptor: a table has at most 65,536 entries, and expansion stops there.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError
from cornerstream.images.metadata import LookupTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Entries = NDArray[np.uint8] | NDArray[np.uint16]

_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2  # PS3.3 table C.7-22b: the opcodes of segments


def lookup_table(
    descriptor: Sequence[int],
    data: bytes | memoryview,
    segmented: bool = False,  # noqa: FBT001, FBT002 - it says which attribute the data came from
    *,
    big_endian: bool = False,
) -> LookupTable:
    """Make a lookup table of a descriptor and its data.

    Args:
        descriptor: Number of entries (0 means 65,536), first stored value mapped, bits of an entry.
        data: The data element's value; 8-bit entries may stand one to a byte or one to a word.
        segmented: `data` holds segments (PS3.3 C.7.9.2).
        big_endian: `data` was written as big endian words (OW or US of an explicit VR big endian data set).

    Raises:
        DecodeError: Descriptor and data contradict each other, or a segment cannot be expanded.
    """
    if len(descriptor) != 3 or not (0 <= descriptor[0] <= 65536 and 1 <= descriptor[2] <= 16):
        raise DecodeError(f"not a lookup table descriptor: {list(descriptor)!r} (PS3.3 C.7.6.3.1.5)")
    entries, first_value, bits = descriptor[0] or 65536, descriptor[1], descriptor[2]
    little = _little_endian(data) if big_endian else bytes(data)
    values = expand_segments(entries, bits, little) if segmented else _plain(entries, bits, little)
    values.flags.writeable = False
    return LookupTable(values, first_value, min(bits, 8) if values.dtype == np.uint8 else max(bits, 9))


def expand_segments(entries: int, bits: int, data: bytes) -> Entries:
    """Expand a segmented table (PS3.3 C.7.9.2).

    Args:
        entries: Entries that the segments must expand to, no more and no fewer.
        bits: Bits of an entry; the segments' fields are bytes up to 8 and little endian words above.
        data: The segments; bytes behind the last needed segment are ignored (padding).

    Raises:
        DecodeError: An opcode is unknown, a segment is empty or cut, or the number of entries is another one.
    """
    dtype = np.dtype("u1" if bits <= 8 else "<u2")
    fields = np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype).tolist()
    values: list[int] = []
    for segment in _segments(fields, dtype.itemsize):
        _append(values, *segment)
        if len(values) >= entries:
            break
    if len(values) != entries:
        raise DecodeError(f"a segmented lookup table expands to {len(values)} entries, its descriptor says {entries}")
    return np.array(values, dtype.newbyteorder("="))


def _little_endian(data: bytes | memoryview) -> bytes:
    if len(data) % 2:
        raise DecodeError(f"lookup table data of {len(data)} bytes are not 16-bit words")
    return np.frombuffer(data, ">u2").astype("<u2").tobytes()


def _plain(entries: int, bits: int, data: bytes) -> Entries:
    """One entry to a byte, or one to a word.

    The length decides, since both 8-bit entries in words and 16-bit descriptors over bytes are found in files.
    """
    if len(data) == entries + entries % 2 and (bits <= 8 or entries > 1):
        return np.frombuffer(data, np.uint8, entries).copy()
    if len(data) != 2 * entries:
        raise DecodeError(f"a lookup table of {entries} entries of {bits} bits has {len(data)} bytes of data")
    words = np.frombuffer(data, "<u2").astype(np.uint16)
    return words.astype(np.uint8) if bits <= 8 and words.max() <= 255 else words


def _segments(fields: list[int], field_bytes: int) -> Iterator[tuple[int, int, list[int]]]:
    """Discrete and linear segments in order, indirect ones replaced by what they point to."""
    position = 0
    while position + 2 <= len(fields):
        opcode, length, operands, position = _read(fields, position, field_bytes)
        if opcode != _INDIRECT:
            yield opcode, length, operands
            continue
        start, rest = divmod(_byte_offset(operands, field_bytes), field_bytes)
        if rest:
            raise DecodeError("an indirect palette segment points between two fields (PS3.3 C.7.9.2.3)")
        yield from islice(_direct(fields, start, field_bytes), length)


def _direct(fields: list[int], position: int, field_bytes: int) -> Iterator[tuple[int, int, list[int]]]:
    """The segments that an indirect one copies; none of them may be indirect again (PS3.3 C.7.9.2.3)."""
    while True:
        opcode, length, operands, position = _read(fields, position, field_bytes)
        if opcode == _INDIRECT:
            raise DecodeError("an indirect palette segment points to another one (PS3.3 C.7.9.2.3)")
        yield opcode, length, operands


def _read(fields: list[int], position: int, field_bytes: int) -> tuple[int, int, list[int], int]:
    """One segment: opcode, length, operands, and where the next one starts."""
    opcode, length = fields[position : position + 2] if position + 2 <= len(fields) else (-1, 0)
    # An indirect segment has a 32-bit offset: four byte fields or two word fields.
    counts = {_DISCRETE: length, _LINEAR: 1, _INDIRECT: 4 // field_bytes}
    if opcode not in counts or not length:  # empty segments would make the work unbounded
        raise DecodeError(f"not a palette segment: opcode {opcode}, length {length} (PS3.3 C.7.9.2)")
    start = position + 2
    operands = fields[start : start + counts[opcode]]
    if len(operands) != counts[opcode]:
        raise DecodeError("a palette segment is cut short (PS3.3 C.7.9.2)")
    return opcode, length, operands, start + counts[opcode]


def _byte_offset(operands: list[int], field_bytes: int) -> int:
    """The operands of an indirect segment, least significant first, as a byte offset."""
    return sum(value << 8 * field_bytes * place for place, value in enumerate(operands))


def _append(values: list[int], opcode: int, length: int, operands: list[int]) -> None:
    if opcode == _DISCRETE:
        values.extend(operands)
        return
    if not values:
        raise DecodeError("the first palette segment is linear and has nothing to start from (PS3.3 C.7.9.2.2)")
    first, last = values[-1], operands[0]
    # From the entry before the segment (not repeated) to `last`, which is its last entry.
    # The nearest integer, halves upwards; PS3.3 leaves the rounding open.
    values.extend(first + (2 * step * (last - first) + length) // (2 * length) for step in range(1, length + 1))
