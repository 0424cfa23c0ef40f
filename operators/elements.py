"""Data elements, one after the other: headers, values, and sequences of undefined length passed over (PS3.5 section 7)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.operators.byte_stream import ByteStream, finish

if TYPE_CHECKING:
    from collections.abc import Container, Generator

    from cornerstream.images.limits import Limits

R = TypeVar("R")

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD

# PS3.5 table 7.1-2: the representations with two length bytes; all others, and all future ones, have four.
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_LITTLE = (Struct("<HH"), Struct("<H"), Struct("<I"))
_BIG = (Struct(">HH"), Struct(">H"), Struct(">I"))


@dataclass(frozen=True, slots=True)
class Encoding:
    """How data elements are written: with or without their value representation, and the byte order."""

    implicit: bool = False
    big_endian: bool = False


IMPLICIT = Encoding(implicit=True)
EXPLICIT = Encoding()


class ElementHeader(NamedTuple):
    """What stands in front of a value; `vr` is empty where it is not written, `length` may be UNDEFINED."""

    tag: int
    vr: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Spans:
    """Where items lie: 16 bytes each, however many a stranger writes.

    Attributes:
        bounds: Begin and end of each, one after the other.
    """

    bounds: array[int] = field(default_factory=lambda: array("Q"))

    def __len__(self) -> int:
        return len(self.bounds) // 2

    def __getitem__(self, index: int) -> tuple[int, int]:
        at = range(len(self))[index]
        return self.bounds[2 * at], self.bounds[2 * at + 1]


class Element(NamedTuple):
    """One element with its value as it was written.

    Attributes:
        vr: Its value representation; empty where it is not written.
        value: Its bytes; a sequence's are its items, delimiters included.
        encoding: How it, and what is in it, is written.
        spans: Where the items of a sequence lie in `value`, when that is known already.
    """

    vr: bytes
    value: bytes
    encoding: Encoding
    spans: Spans | None = None


def read_kept(
    stream: ByteStream, encoding: Encoding, kept: Container[int], limits: Limits
) -> Generator[None, None, dict[int, Element]]:
    """Read elements to the end of a stream, those whose tags are `kept`, by tag; the others are passed over.

    Raises:
        SplitError: The elements contradict each other.
        TruncatedError: One is cut.
        LimitError: There are too many, or they nest too deep.
    """
    found: dict[int, Element] = {}
    while (yield from stream.more()):
        header = yield from read_element_header(stream, encoding)
        count_element(stream, limits)
        if header.tag in kept:
            found[header.tag] = yield from read_value(stream, header, encoding, limits)
        else:
            yield from skip_value(stream, header, encoding, limits)
    return found


def looks_explicit(head: bytes) -> bool:
    """The first eight bytes of a data set name a value representation."""
    vr = head[4:6]
    return vr in SHORT_VRS or vr in LONG_VRS


def read_element_header(stream: ByteStream, encoding: Encoding) -> Generator[None, None, ElementHeader]:
    """Pass the header of the next element, item or delimiter."""
    pair, short, long = _BIG if encoding.big_endian else _LITTLE
    if not stream.has(8):
        yield from stream.need(8)
    head = stream.peek(12)
    group, number = pair.unpack_from(head)
    tag = group << 16 | number
    vr = head[4:6]
    # Items have no representation; an element without letters there was written implicitly among explicit ones.
    if encoding.implicit or group == 0xFFFE or not (vr.isalpha() and vr.isupper()):
        stream.skip(8)
        return ElementHeader(tag, b"", long.unpack_from(head, 4)[0])
    if vr in SHORT_VRS:
        stream.skip(8)
        return ElementHeader(tag, vr, short.unpack_from(head, 6)[0])
    if len(head) < 12:
        yield from stream.need(12)
        head = stream.peek(12)
    stream.skip(12)
    return ElementHeader(tag, vr, long.unpack_from(head, 8)[0])


def read_value(
    stream: ByteStream, header: ElementHeader, encoding: Encoding, limits: Limits
) -> Generator[None, None, Element]:
    """Take a value, of undefined length too."""
    if header.length == UNDEFINED:
        inner = _inner(header, encoding)
        stream.recording = recorded = bytearray()
        spans = yield from pass_sequence(stream, inner, limits, note_items=True)
        stream.recording = None
        return Element(b"SQ", bytes(recorded), inner, spans)
    yield from stream.need(header.length)
    return Element(header.vr, stream.take(header.length), encoding)


def skip_value(stream: ByteStream, header: ElementHeader, encoding: Encoding, limits: Limits) -> Generator[None]:
    """Pass a value, of undefined length too, without keeping it."""
    if header.length == UNDEFINED:
        yield from pass_sequence(stream, _inner(header, encoding), limits)
    else:
        stream.skip(header.length)


def item_spans(element: Element, limits: Limits) -> Spans:
    """Where the items of a sequence lie in its value; raises as `pass_sequence`."""
    if element.spans is not None:
        return element.spans
    pair, _, long = _BIG if element.encoding.big_endian else _LITTLE
    end = pair.pack(SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF) + long.pack(0)
    stream = ByteStream(element.value + end, ended=True)
    return finish_contained(pass_sequence(stream, element.encoding, limits, note_items=True))


def finish_contained(parser: Generator[None, None, R]) -> R:
    """Run a parser of what stands in a sequence; what is longer than its sequence contradicts it, and is not cut."""
    try:
        return finish(parser)
    except TruncatedError as error:
        raise SplitError(f"an item or element is longer than its sequence: {error.message}") from error


def pass_sequence(
    stream: ByteStream, encoding: Encoding, limits: Limits, *, note_items: bool = False
) -> Generator[None, None, Spans]:
    """Pass the items of a sequence of undefined length, its delimiter included; nested ones on a stack of our own.

    Args:
        stream: Stands behind the sequence's header.
        encoding: Of the items' elements.
        limits: Bounds the nesting, the size, and the elements in it.
        note_items: Note where the items lie; otherwise they are passed only.

    Returns:
        Where the items lie, counted from the first one's header; nothing if they were not noted.

    Raises:
        SplitError: Something else than an item stands where one must.
        LimitError: The nesting, the size or the number of elements is over its limit.
    """
    stack = [(SEQUENCE_END, encoding)]
    items = _Items(stream.position, noting=note_items)
    while stack:
        closing, current = stack[-1]
        header = yield from read_element_header(stream, current)
        count_element(stream, limits)
        if header.tag == closing:
            stack.pop()
            items.end(len(stack), stream.position - 8)
            continue
        if closing == SEQUENCE_END:
            _check_item(header, stream.position)
            items.begin(len(stack), stream.position)
        if header.length == UNDEFINED:
            _check_depth(len(stack) // 2 + 1, limits)
            stack.append((ITEM_END, current) if closing == SEQUENCE_END else (SEQUENCE_END, _inner(header, current)))
        else:
            check_size(stream.position - items.start + header.length, limits)
            if stream.recording is not None:
                yield from stream.need(header.length)
            stream.skip(header.length)
            items.end(len(stack), stream.position)
        check_size(stream.position - items.start, limits)
    return items.spans


class _Items:
    """Notes where the outermost items begin and end."""

    def __init__(self, start: int, *, noting: bool) -> None:
        self.start = start
        self.spans = Spans()
        self._noting = noting
        self._begun = start

    def begin(self, depth: int, position: int) -> None:
        if depth == 1:
            self._begun = position

    def end(self, depth: int, position: int) -> None:
        if depth == 1 and self._noting:
            self.spans.bounds.extend((self._begun - self.start, position - self.start))


def _check_item(header: ElementHeader, position: int) -> None:
    if header.tag != ITEM:
        raise SplitError(f"an item was expected at offset {position - 8}, not {tag_text(header.tag)}")


def check_size(size: int, limits: Limits) -> None:
    """Refuse a header, or a part of one, that is too long; raises LimitError."""
    if size > limits.header_bytes:
        raise LimitError(f"the header has more than {limits.header_bytes} bytes (limits.header_bytes)")


def count_element(stream: ByteStream, limits: Limits) -> None:
    """Count an element, item or delimiter; raises LimitError when there are too many."""
    stream.elements += 1
    if stream.elements > limits.elements:
        raise LimitError(f"the header has more than {limits.elements} elements and items (limits.elements)")


def tag_text(tag: int) -> str:
    """`(gggg,eeee)`."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _inner(header: ElementHeader, encoding: Encoding) -> Encoding:
    # PS3.5 section 6.2.2: a UN of undefined length holds a sequence in implicit little endian.
    return IMPLICIT if header.vr == b"UN" else encoding


def _check_depth(depth: int, limits: Limits) -> None:
    if depth > limits.sequence_depth:
        raise LimitError(f"sequences are nested deeper than {limits.sequence_depth} (limits.sequence_depth)")
