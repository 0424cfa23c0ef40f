"""Element headers and sequences of undefined length; pydicom writes the sequences."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_stream import ByteStream, finish
from cornerstream.operators.elements import (
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    ElementHeader,
    Encoding,
    looks_explicit,
    pass_sequence,
    read_element_header,
    read_value,
    skip_value,
)

if TYPE_CHECKING:
    from collections.abc import Generator

BIG = Encoding(big_endian=True)
SEQUENCE = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, UNDEFINED)
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize(
    ("data", "encoding", "header", "size"),
    [
        (b"\x28\0\x10\0US\2\0", EXPLICIT, (0x00280010, b"US", 2), 8),
        (b"\x28\0\x10\0\2\0\0\0", IMPLICIT, (0x00280010, b"", 2), 8),
        (b"\0\x28\0\x10US\0\2", BIG, (0x00280010, b"US", 2), 8),
        (b"\xe0\x7f\x10\0OW\0\0\xff\xff\xff\xff", EXPLICIT, (0x7FE00010, b"OW", UNDEFINED), 12),
        (b"\x7f\xe0\0\x10OW\0\0\0\0\0\x04", BIG, (0x7FE00010, b"OW", 4), 12),
        (b"\xfe\xff\x00\xe0\x08\0\0\0", EXPLICIT, (0xFFFEE000, b"", 8), 8),
        (b"\x09\0\x10\0ZZ\0\0\x08\0\0\0", EXPLICIT, (0x00090010, b"ZZ", 8), 12),
        (b"\x09\0\x10\0\x08\0\0\0", EXPLICIT, (0x00090010, b"", 8), 8),
    ],
)
def test_headers(data: bytes, encoding: Encoding, header: tuple[int, bytes, int], size: int) -> None:
    stream = ByteStream(data, ended=True)
    assert finish(read_element_header(stream, encoding)) == header
    assert stream.position == size


def test_a_header_that_arrives_byte_by_byte() -> None:
    stream = ByteStream()
    reading = read_element_header(stream, EXPLICIT)
    data = b"\xe0\x7f\x10\0OW\0\0\4\0\0\0"
    for index in range(len(data)):
        assert next(reading) is None
        stream.feed(data[index : index + 1])
    with pytest.raises(StopIteration) as caught:
        next(reading)
    assert caught.value.value == ElementHeader(0x7FE00010, b"OW", 4)


def test_a_cut_header_is_truncated() -> None:
    for data in (b"\x28\0\x10", b"\xe0\x7f\x10\0OW\0\0\4"):
        with pytest.raises(TruncatedError):
            finish(read_element_header(ByteStream(data, ended=True), EXPLICIT))


def test_the_first_element_tells_explicit_from_implicit() -> None:
    assert looks_explicit(b"\x08\0\x05\0CS\x0a\0")
    assert looks_explicit(b"\x08\0\x05\0OB\0\0")
    assert not looks_explicit(b"\x08\0\x05\0\x0a\0\0\0")


def nested(depth: int) -> Dataset:
    data_set = Dataset()
    data_set.PatientID = f"level {depth}"
    if depth:
        data_set.ReferencedSeriesSequence = Sequence([nested(depth - 1), nested(0)])
        element = data_set["ReferencedSeriesSequence"]
        element.is_undefined_length = True
        element.value[0].is_undefined_length_sequence_item = True
    return data_set


def encoded(data_set: Dataset, encoding: Encoding) -> bytes:
    class Buffer(DicomIO):
        pass

    raw = BytesIO()
    buffer = Buffer(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = encoding.implicit, not encoding.big_endian
    write_dataset(buffer, data_set)
    return raw.getvalue()


@pytest.mark.parametrize("encoding", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_nested_sequences_are_passed_and_taken(encoding: Encoding, chunk: int) -> None:
    outer = Dataset()
    outer.ReferencedSeriesSequence = Sequence([nested(3)])
    outer["ReferencedSeriesSequence"].is_undefined_length = True
    body = encoded(outer, encoding)
    taken = run(body, chunk, encoding, take=True)
    assert taken is not None
    assert body.endswith(taken)
    assert run(body, chunk, encoding, take=False) is None


def run(body: bytes, chunk: int, encoding: Encoding, *, take: bool) -> bytes | None:
    """Read or skip the one element of a body that comes in chunks."""
    stream = ByteStream()

    def parse() -> Generator[None, None, bytes | None]:
        header = yield from read_element_header(stream, encoding)
        if take:
            element = yield from read_value(stream, header, encoding, DEFAULT_LIMITS)
            return element.value
        yield from skip_value(stream, header, encoding, DEFAULT_LIMITS)
        return None

    parser = parse()
    for start in range(0, len(body), chunk):
        assert next(parser) is None
        stream.feed(body[start : start + chunk])
    value = finish(parser)
    assert stream.position == len(body)
    return value


def test_depth_is_limited_without_recursion() -> None:
    body = (SEQUENCE + ITEM) * 5000
    stream = ByteStream(body[12:], ended=True)
    with pytest.raises(LimitError, match="deeper than 64"):
        finish(pass_sequence(stream, EXPLICIT, DEFAULT_LIMITS))
    inner = (SEQUENCE + ITEM) * 64 + (ITEM_END + END) * 64
    finish(pass_sequence(ByteStream(inner[12:], ended=True), EXPLICIT, DEFAULT_LIMITS))
    with pytest.raises(LimitError, match="deeper than 63"):
        finish(pass_sequence(ByteStream(inner[12:], ended=True), EXPLICIT, Limits(sequence_depth=63)))


def test_size_is_limited_before_the_bytes_are_there() -> None:
    stream = ByteStream(struct.pack("<HHI", 0xFFFE, 0xE000, 1 << 31))
    stream.recording = bytearray()
    with pytest.raises(LimitError, match="header_bytes"):
        finish(pass_sequence(stream, EXPLICIT, DEFAULT_LIMITS))


def test_something_else_than_an_item_is_refused() -> None:
    with pytest.raises(SplitError, match=r"not \(0010,0020\)"):
        finish(pass_sequence(ByteStream(b"\x10\0\x20\0LO\2\0AB", ended=True), EXPLICIT, DEFAULT_LIMITS))


def test_unknown_representation_of_undefined_length_holds_implicit_items() -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED) + b"\x10\0\x20\0\2\0\0\0AB" + ITEM_END
    stream = ByteStream(item + END + b"next", ended=True)
    finish(skip_value(stream, ElementHeader(0x00091001, b"UN", UNDEFINED), EXPLICIT, DEFAULT_LIMITS))
    assert stream.peek(4) == b"next"
