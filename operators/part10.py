"""The header of a Part 10 file (PS3.10 section 7), up to its pixel data: read as it arrives, within bounds.

With or without preamble and file meta information; implicit or explicit, little or big endian, deflated. Only the
attributes that matter are kept; sequences inside sequences (an icon's pixel data, for one) are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import SplitError, UnsupportedTransferSyntaxError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.attributes import WrittenAttributes
from cornerstream.operators.byte_stream import ByteStream, finish
from cornerstream.operators.decoder_table import check_known
from cornerstream.operators.elements import (
    EXPLICIT,
    ITEM,
    UNDEFINED,
    Encoding,
    check_size,
    count_element,
    looks_explicit,
    read_element_header,
    read_value,
    skip_value,
    tag_text,
)
from cornerstream.operators.keywords import (
    ATTRIBUTES,
    EXTENDED_OFFSET_TABLE,
    EXTENDED_OFFSET_TABLE_LENGTHS,
    PIXEL_KEYWORDS,
    TAGS,
    TRANSFER_SYNTAX_UID,
)
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.plain_elements import pass_plain_elements

if TYPE_CHECKING:
    from collections.abc import Generator

    from cornerstream.operators.elements import Element, ElementHeader
    from cornerstream.operators.metadata import InstanceMetadata

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_FLOAT_PIXELS = frozenset(tag for tag, keyword in PIXEL_KEYWORDS.items() if keyword != "PixelData")
_INTEGER_PIXELS = frozenset(ATTRIBUTES[keyword][0] for keyword in ("BitsStored", "PixelRepresentation"))
_PIXEL_VRS = frozenset({b"OB", b"OW", b"OF", b"OD", b"UN"})
_UID = re.compile(r"([0-9]+(\.[0-9]+)*)?\Z")
_DICOM_UID = "1.2.840.10008."  # the root of the transfer syntaxes that PS3.6 registers
_NATIVE = frozenset({IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED, EXPLICIT_BIG_ENDIAN})
_META = range(0x00020000, 0x00030000)
_BEFORE_PIXELS = range(0x7FE00000)
_KEPT = TAGS | {EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS}


class AttributeReader(Protocol):
    """Makes metadata of attributes as `read_attributes` does."""

    def __call__(
        self,
        attributes: WrittenAttributes,
        transfer_syntax_uid: str,
        limits: Limits,
        *,
        pixel_keyword: str = ...,
        pixel_vr_is_ow: bool = ...,
    ) -> InstanceMetadata:
        """See `read_attributes`."""
        ...


@dataclass(frozen=True, slots=True)
class Part10Header:
    """What stands in front of the pixels.

    Attributes:
        metadata: Of the instance.
        pixel_start: Offset of the pixel data element's value, counted as `ByteStream.position` does.
        pixel_length: Its length; `None` when it is undefined, which means encapsulated (PS3.5 annex A.4).
        swapped_words: Pixels narrower than a word were written as big endian words, two at a time (PS3.5 section 8.1).
        extended_offsets: Extended Offset Table and its lengths, as they were written; `None` where there is none.
    """

    metadata: InstanceMetadata
    pixel_start: int
    pixel_length: int | None
    swapped_words: bool = False
    extended_offsets: tuple[bytes, bytes] | None = field(default=None, repr=False)


def parse_header(
    data: bytes, limits: Limits = DEFAULT_LIMITS, reader: AttributeReader = read_attributes
) -> Part10Header:
    """Read the header of a Part 10 file whose bytes are there, at least up to its pixel data.

    Args:
        data: The file, or its beginning.
        limits: Bounds for whatever the header claims.
        reader: Makes metadata of its attributes.

    Raises:
        SplitError: It is not DICOM, has no pixel data, or does not describe an image.
        UnsupportedTransferSyntaxError: No decoder is known for its transfer syntax.
        TruncatedError: The header ends too early.
        LimitError: The header, a sequence's depth or what it describes is over a limit.
        DecodeError: A palette or lookup table contradicts its descriptor.
    """
    return finish(read_header(ByteStream(data, ended=True), limits, reader))


def read_header(
    stream: ByteStream, limits: Limits = DEFAULT_LIMITS, reader: AttributeReader = read_attributes
) -> Generator[None, None, Part10Header]:
    """Read a header from a stream that is being fed; the stream then stands at the first byte of the pixels.

    Args:
        stream: Stands at the beginning of a file.
        limits: Bounds for whatever the header claims.
        reader: Makes metadata of its attributes.
    """
    transfer_syntax_uid = yield from _read_meta(stream, limits)
    if transfer_syntax_uid.startswith(_DICOM_UID):  # or video's few fragments, and JPIP's none, would be the complaint
        check_known(transfer_syntax_uid)
    if transfer_syntax_uid == DEFLATED:
        stream.inflate(limits.inflated_bytes)
    if not (yield from stream.more()):
        raise SplitError("no pixel data: the file ends behind its file meta information")
    yield from stream.need(8)
    encoding, transfer_syntax_uid = _encoding(stream.peek(8), transfer_syntax_uid)
    elements, pixels = yield from _read_data_set(stream, encoding, limits)
    return _header(stream.position, elements, pixels, encoding, transfer_syntax_uid, limits, reader)


def _read_meta(stream: ByteStream, limits: Limits) -> Generator[None, None, str]:
    """Pass preamble and file meta information, which is always explicit little endian (PS3.10 section 7.1).

    Returns:
        The transfer syntax UID; empty where none is named.
    """
    if not (yield from stream.more()):
        raise SplitError("not a DICOM file: it is empty")
    while not stream.has(132) and not stream.ended:
        yield
    if stream.peek(132)[128:] == b"DICM":
        stream.skip(132)
    found: dict[int, Element] = {}
    pass_plain_elements(stream, EXPLICIT, _META, {TRANSFER_SYNTAX_UID}, found, limits)
    transfer_syntax_uid = _uid(found[TRANSFER_SYNTAX_UID].value, "") if found else ""
    while (yield from stream.more()):
        yield from stream.need(4)
        if stream.peek(2) != b"\x02\0":
            break
        header = yield from read_element_header(stream, EXPLICIT)
        count_element(stream, limits)
        check_size(stream.position + header.length, limits)
        if header.tag == TRANSFER_SYNTAX_UID:
            element = yield from read_value(stream, header, EXPLICIT, limits)
            transfer_syntax_uid = _uid(element.value, transfer_syntax_uid)
        else:
            yield from skip_value(stream, header, EXPLICIT, limits)
    return transfer_syntax_uid


def _uid(value: bytes, before: str) -> str:
    """A transfer syntax UID as it was written (PS3.5 section 9.1); a repeated one must be the same."""
    uid = value[:66].decode("ascii", "replace").strip(" \0")
    if len(uid) > 64 or not _UID.match(uid):
        raise SplitError(f"the Transfer Syntax UID is no UID: {uid!r}")
    if before and before != uid:
        raise SplitError(f"the file meta information names two transfer syntaxes: {before} and {uid}")
    return uid


def _encoding(head: bytes, transfer_syntax_uid: str) -> tuple[Encoding, str]:
    """How the data set is written, and its transfer syntax: named, or proven by the first element where it is native."""
    explicit = looks_explicit(head)
    big_endian = transfer_syntax_uid == EXPLICIT_BIG_ENDIAN
    if transfer_syntax_uid:
        return Encoding(not explicit, big_endian), transfer_syntax_uid
    if head[0] in {0x02, 0x08} and head[1] == 0 and head[3] == 0:
        return Encoding(not explicit), EXPLICIT_LITTLE_ENDIAN if explicit else IMPLICIT_LITTLE_ENDIAN
    if explicit and head[0] == 0 and head[1] == 0x08:
        return Encoding(big_endian=True), EXPLICIT_BIG_ENDIAN
    raise SplitError(f"not a DICOM file: it begins with {head!r}")


def _read_data_set(
    stream: ByteStream, encoding: Encoding, limits: Limits
) -> Generator[None, None, tuple[dict[int, Element], ElementHeader]]:
    found: dict[int, Element] = {}
    while (yield from stream.more()):
        pass_plain_elements(stream, encoding, _BEFORE_PIXELS, _KEPT, found, limits)
        if not (yield from stream.more()):
            break
        header = yield from read_element_header(stream, encoding)
        if header.tag in PIXEL_KEYWORDS:
            _check_pixel_vr(header, encoding)
            return found, header
        count_element(stream, limits)
        if header.tag == ITEM and header.length == UNDEFINED:  # one of known length is passed over like any element
            raise SplitError(f"an item stands outside of a sequence, at offset {stream.position - 8}")
        check_size(stream.position + (0 if header.length == UNDEFINED else header.length), limits)
        if header.tag in _KEPT:
            element = yield from read_value(stream, header, encoding, limits)
            if found.setdefault(header.tag, element) != element:
                raise SplitError(f"{tag_text(header.tag)} stands twice in the data set, with different values")
        else:
            yield from skip_value(stream, header, encoding, limits)
    raise SplitError("no pixel data: the data set has none of Pixel Data, Float Pixel Data, Double Float Pixel Data")


def _header(
    position: int,
    elements: dict[int, Element],
    pixels: ElementHeader,
    encoding: Encoding,
    transfer_syntax_uid: str,
    limits: Limits,
    reader: AttributeReader,
) -> Part10Header:
    encapsulated = pixels.length == UNDEFINED
    if pixels.tag in _FLOAT_PIXELS:
        _check_float_pixels(elements, encapsulated=encapsulated)
    _check_encapsulation(transfer_syntax_uid, encapsulated=encapsulated)
    is_ow = pixels.vr == b"OW" or (encoding.implicit and not encapsulated)
    metadata = reader(
        _attributes(elements, limits),
        transfer_syntax_uid,
        limits,
        pixel_keyword=PIXEL_KEYWORDS[pixels.tag],
        pixel_vr_is_ow=is_ow,
    )
    offsets = [elements[tag].value for tag in (EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS) if tag in elements]
    return Part10Header(
        metadata,
        position,
        None if encapsulated else pixels.length,
        encoding.big_endian and is_ow and metadata.shared.bits_allocated < 16,
        (offsets[0], offsets[1]) if len(offsets) == 2 else None,
    )


def _attributes(elements: dict[int, Element], limits: Limits) -> WrittenAttributes:
    plain = WrittenAttributes(elements, limits)
    names = plain.values("SpecificCharacterSet") if ATTRIBUTES["SpecificCharacterSet"][0] in elements else ()
    return WrittenAttributes(elements, limits, tuple(str(name) for name in names))


def _check_pixel_vr(header: ElementHeader, encoding: Encoding) -> None:
    """PS3.5 section 8: pixels are OB or OW, floating point ones OF or OD; any other representation is damage."""
    if header.vr not in _PIXEL_VRS and not encoding.implicit:
        raise SplitError(
            f"{PIXEL_KEYWORDS[header.tag]} has the value representation {header.vr!r}, which no pixels have"
        )


def _check_float_pixels(elements: dict[int, Element], *, encapsulated: bool) -> None:
    """PS3.3 C.7.6.24: floating point pixels are native, and have neither Bits Stored nor Pixel Representation."""
    if encapsulated or not _INTEGER_PIXELS.isdisjoint(elements):
        raise SplitError("floating point pixel data of a data set that describes integer or encapsulated pixels")


def _check_encapsulation(transfer_syntax_uid: str, *, encapsulated: bool) -> None:
    """Native transfer syntaxes have pixels of known length, all others fragments (PS3.5 annexes A.1 to A.4)."""
    if encapsulated != (transfer_syntax_uid in _NATIVE):
        return
    if encapsulated:
        raise SplitError(f"Pixel Data is encapsulated, which transfer syntax {transfer_syntax_uid} does not allow")
    if not transfer_syntax_uid.startswith(_DICOM_UID):
        raise UnsupportedTransferSyntaxError(
            f"the private transfer syntax {transfer_syntax_uid} is not known", transfer_syntax_uid=transfer_syntax_uid
        )
    raise SplitError(f"Pixel Data is not encapsulated, which transfer syntax {transfer_syntax_uid} demands")
