"""Headers of files that differ in little, as those of one series do: what is equal byte for byte is not parsed again.

A header that was read becomes a pattern: bytes that do not change, and between them values that do. The next header that
follows it has the same elements in the same order; only the values in between are taken. Whatever does not follow it to
the byte is left to the parser, and teaches the pattern which values change.
"""

from __future__ import annotations

from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from cornerstream.operators.attributes import WrittenAttributes
from cornerstream.operators.elements import EXPLICIT, LONG_VRS, SHORT_VRS, UNDEFINED, Element
from cornerstream.operators.keywords import ATTRIBUTES, PIXEL_KEYWORDS, TAGS, TRANSFER_SYNTAX_UID
from cornerstream.operators.metadata import InstanceMetadata
from cornerstream.operators.metadata_memo import RESOLVED_TAGS
from cornerstream.operators.own_attributes import OWN_TAGS, read_own
from cornerstream.operators.part10 import DEFLATED, EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN, Part10Header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cornerstream.images.limits import Limits

_PREAMBLE = 128
_LONGEST = 1 << 14  # bytes of a header: most are a tenth of it
_SLACK = 1 << 10  # bytes that the values of a header may be longer than those of the one before
_PATIENCE = 8  # headers in a row that did not follow, after which nothing is learnt any more
_CHARACTER_SET = ATTRIBUTES["SpecificCharacterSet"][0]
_HEAD = Struct("<HH2sH")
_SHORT, _LONG = Struct("<H"), Struct("<I")


class _Written(NamedTuple):
    """An element where it stands in a header.

    Attributes:
        length: How its length is written.
        start: Where.
        end: Of its value; of the pixel data's, which is not the header's, where it begins.
    """

    tag: int
    vr: bytes
    length: Struct
    start: int
    end: int


class _Piece(NamedTuple):
    """Bytes that do not change, and the value behind them that does.

    Attributes:
        constant: Those bytes.
        at: How many of them, with the length of the value.
        length: Reads that length.
        size: Bytes that it is written in.
        own: The tag, where the value is an instance's own; else 0.
    """

    constant: bytes
    at: int
    length: Callable[[bytes, int], tuple[Any, ...]]
    size: int
    own: int


class HeaderPattern:
    """What the headers that were read have in common; it belongs to whoever reads one series with it.

    It knows explicit little endian headers whose elements have known lengths, as nearly all are.

    Args:
        limits: The same that the headers are read within.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._header: Part10Header | None = None
        self._written: list[_Written] = []
        self._values: dict[int, bytes] = {}
        self._changing: frozenset[int] = frozenset()
        self._pieces: list[_Piece] = []
        self._rest = b""
        self._own: dict[int, Element] = {}
        self._character_set: tuple[str, ...] = ()
        self._misses = 0

    def read(self, data: bytes | memoryview) -> Part10Header | None:
        """The header of a file, as the parser reads it; `None` where the parser has to.

        Args:
            data: The file.

        Raises:
            SplitError: A value is too long to be one; the parser would say the same.
        """
        before = self._header
        if before is None:
            return None
        head = bytes(data[: min(before.pixel_start + _SLACK, self._limits.header_bytes)])
        at, end, changed = _PREAMBLE, len(head), dict[int, bytes]()
        for constant, length_at, length_of, size, own in self._pieces:
            begin = at + length_at
            if begin > end or not head.startswith(constant, at):
                return None
            at = begin + length_of(head, begin - size)[0]
            if own and head[begin:at] != self._own[own].value:
                changed[own] = head[begin:at]
        start = at + len(self._rest) + _LONG.size
        if start > end or not head.startswith(self._rest, at):
            return None
        (length,) = _LONG.unpack_from(head, start - _LONG.size)
        if (length == UNDEFINED) != (before.pixel_length is None):
            return None
        self._misses = 0
        elements = self._own | {tag: Element(self._own[tag].vr, value, EXPLICIT) for tag, value in changed.items()}
        changes = read_own(WrittenAttributes(elements, self._limits, self._character_set), changed)
        metadata = InstanceMetadata(before.metadata.shared.changed(changes))  # plain ones have no groups
        return Part10Header(metadata, start, None if length == UNDEFINED else length)

    def learn(self, data: bytes | memoryview, header: Part10Header) -> None:
        """Take over a header that the parser has read.

        Args:
            data: The file.
            header: What it said.
        """
        self._misses += 1
        self._header = None
        if self._misses > _PATIENCE or not _is_plain(header):
            return
        head = bytes(data[: header.pixel_start])
        written = list(_elements(head))
        if not written or written[-1].end != len(head) or not _is_ordinary(written):
            return
        values = {one.tag: head[one.start + one.length.size : one.end] for one in written[:-1]}
        if [one.tag for one in written] != [one.tag for one in self._written]:
            self._changing = OWN_TAGS & values.keys()
        else:
            self._changing |= {tag for tag in values if values[tag] != self._values[tag] and _may_change(tag)}
        self._written, self._values, self._header = written, values, header
        self._own = {one.tag: Element(one.vr, values[one.tag], EXPLICIT) for one in written if one.tag in OWN_TAGS}
        names = WrittenAttributes(
            {tag: Element(b"CS", values[tag], EXPLICIT) for tag in (_CHARACTER_SET,) if tag in values}, self._limits
        ).values("SpecificCharacterSet")
        self._character_set = tuple(str(name) for name in names)
        self._cut(head)

    def _cut(self, head: bytes) -> None:
        """Cut a header where values begin that change, and where they end."""
        self._pieces, at = [], _PREAMBLE
        for one in self._written:
            if one.tag in self._changing:
                size, own = one.length.size, one.tag if one.tag in OWN_TAGS else 0
                self._pieces.append(
                    _Piece(head[at : one.start], one.start - at + size, one.length.unpack_from, size, own)
                )
                at = one.end
        self._rest = head[at : self._written[-1].start]


def _elements(head: bytes) -> Iterator[_Written]:
    """The elements of a header, as far as they are explicit and of known length; the last one is the pixel data's own."""
    at = _PREAMBLE + 4 if head.startswith(b"DICM", _PREAMBLE) else len(head)
    while at + 12 <= len(head):
        group, number, vr, length = _HEAD.unpack_from(head, at)
        tag, start, size = group << 16 | number, at + 6, _SHORT
        if vr in LONG_VRS:
            start, size = at + 8, _LONG
            (length,) = size.unpack_from(head, start)
        elif vr not in SHORT_VRS:
            return
        begin = start + size.size
        is_last = tag in PIXEL_KEYWORDS
        if not is_last and (length == UNDEFINED or begin + length > len(head)):
            return
        at = begin if is_last else begin + length
        yield _Written(tag, vr, size, start, at)
        if is_last:
            return


def _is_plain(header: Part10Header) -> bool:
    """Nothing of it depends on more than on elements of its own."""
    syntax, metadata = header.metadata.transfer_syntax_uid, header.metadata
    odd = syntax in {"", IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED} or header.swapped_words
    return not (odd or header.extended_offsets or metadata.groups or header.pixel_start > _LONGEST)


def _is_ordinary(written: list[_Written]) -> bool:
    """Each element stands once, in order, and none takes the place of what is an instance's own."""
    tags = [one.tag for one in written]
    return all(one < next_one for one, next_one in pairwise(tags)) and RESOLVED_TAGS.isdisjoint(tags)


def _may_change(tag: int) -> bool:
    """Its value is taken as an instance's own, or not at all."""
    return tag in OWN_TAGS or not (tag in TAGS or tag == TRANSFER_SYNTAX_UID)
