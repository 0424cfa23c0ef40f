"""One way to ask for attributes, whichever form a data set has: as written, DICOM JSON (PS3.18 annex F), or pydicom.

Values are plain: numbers are finite floats, junk is `None`, and nothing is fetched for a BulkDataURI.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, overload

from cornerstream.images.errors import SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_stream import ByteStream
from cornerstream.operators.character_sets import decode_text
from cornerstream.operators.elements import (
    Element,
    Encoding,
    finish_contained,
    item_spans,
    read_kept,
)
from cornerstream.operators.keywords import ATTRIBUTES, TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom import Dataset

_LONGEST_VALUE = 0xFFFE  # PS3.5 section 7.1.2: of everything that is read as values here
_UNSAID = frozenset({b"", b"UN"})
_NUMBERS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FL": "f", b"FD": "d", b"UV": "Q", b"SV": "q"}


class Attributes(Protocol):
    """A data set, or an item of a sequence."""

    def values(self, keyword: str) -> Sequence[object]:
        """The values of an attribute (str, int or float); empty when it is absent or has none."""
        ...

    def data(self, keyword: str) -> tuple[bytes, bool] | None:
        """The bytes of an attribute, and whether they are big endian words; `None` when they are not here."""
        ...

    def items(self, keyword: str) -> Sequence[Attributes]:
        """The items of a sequence, each read when it is asked for."""
        ...


def text(attributes: Attributes, keyword: str) -> str:
    """The first value as text; empty when there is none."""
    values = attributes.values(keyword)
    return _text(values[0]).strip(" \0") if values else ""


def texts(attributes: Attributes, keyword: str) -> tuple[str, ...]:
    """All values as texts, empty for what is not one."""
    return tuple(_text(value) for value in attributes.values(keyword))


def numbers(attributes: Attributes, keyword: str) -> tuple[float | None, ...]:
    """All values as finite numbers, `None` for what is not one."""
    return tuple([_number(value) for value in attributes.values(keyword)])  # a list: this is asked for with every image


def number(attributes: Attributes, keyword: str) -> float | None:
    """The first value as a finite number."""
    values = attributes.values(keyword)
    return _number(values[0]) if values else None


def integer(attributes: Attributes, keyword: str) -> int | None:
    """The first value if it is a whole number."""
    found = number(attributes, keyword)
    return int(found) if found is not None and found.is_integer() else None


def vector(attributes: Attributes, keyword: str, length: int) -> tuple[float, ...] | None:
    """Exactly `length` numbers, else `None`."""
    found = [value for value in map(_number, attributes.values(keyword)) if value is not None]
    return tuple(found) if len(found) == length else None


def _text(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    # What a stranger nests, or writes with more digits than Python converts, is no text.
    return str(value) if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 64) else ""


def _number(value: object) -> float | None:
    if isinstance(value, str):
        value = value.strip(" \0")
        if not value.isascii() or "_" in value:  # which Python allows
            return None
    elif not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class WrittenAttributes:
    """Elements as they stand in a Part 10 file; values are read when they are asked for.

    Attributes:
        elements: By tag.
        limits: Bounds for the sequences inside.
        character_set: Specific Character Set, for texts that are not ASCII.
    """

    elements: Mapping[int, Element]
    limits: Limits = DEFAULT_LIMITS
    character_set: tuple[str, ...] = ()

    def values(self, keyword: str) -> Sequence[object]:
        """The values of an attribute; raises SplitError if it is too long to have some."""
        tag, representation = ATTRIBUTES[keyword]
        element = self.elements.get(tag)
        if element is None:
            return ()
        if len(element.value) > _LONGEST_VALUE:
            raise SplitError(f"{keyword} has {len(element.value)} bytes, which its value representation does not allow")
        code = _NUMBERS.get(representation.encode("ascii") if element.vr in _UNSAID else element.vr)
        if code is not None:
            return _unpack(code, element)
        written = decode_text(element.value, self.character_set)
        return [part.strip(" \0") for part in written.split("\\")] if "\\" in written else [written.strip(" \0")]

    def data(self, keyword: str) -> tuple[bytes, bool] | None:
        """The bytes of an attribute, as they were written."""
        element = self.elements.get(ATTRIBUTES[keyword][0])
        if element is None:
            return None
        return element.value, element.encoding.big_endian and element.vr in {b"OW", b"US", b"SS"}

    def items(self, keyword: str) -> Sequence[Attributes]:
        """The items of a sequence."""
        element = self.elements.get(ATTRIBUTES[keyword][0])
        return () if element is None else WrittenItems(element, self.limits, self.character_set)


class WrittenItems(Sequence[Attributes]):
    """The items of a sequence as it was written: their places are found at once, their elements when asked for."""

    def __init__(self, element: Element, limits: Limits, character_set: tuple[str, ...]) -> None:
        self._element = element
        self._limits = limits
        self._character_set = character_set
        self._spans = item_spans(element, limits)

    def __len__(self) -> int:
        return len(self._spans)

    @overload
    def __getitem__(self, index: int) -> WrittenAttributes: ...
    @overload
    def __getitem__(self, index: slice) -> list[WrittenAttributes]: ...
    def __getitem__(self, index: int | slice) -> WrittenAttributes | list[WrittenAttributes]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        start, stop = self._spans[index]
        elements = read_elements(self._element.value[start:stop], self._element.encoding, self._limits)
        return WrittenAttributes(elements, self._limits, self._character_set)


def read_elements(data: bytes, encoding: Encoding, limits: Limits) -> dict[int, Element]:
    """The elements of an item that matter here, by tag; nested sequences are kept as they are."""
    return finish_contained(read_kept(ByteStream(data, ended=True), encoding, TAGS, limits))


def _unpack(code: str, element: Element) -> tuple[int | float, ...]:
    layout = struct.Struct((">" if element.encoding.big_endian else "<") + code)
    usable = len(element.value) // layout.size * layout.size
    return tuple(value for (value,) in layout.iter_unpack(element.value[:usable]))


@dataclass(frozen=True, slots=True)
class JsonAttributes:
    """One data set, or item, of DICOM JSON (PS3.18 annex F)."""

    members: Mapping[str, object]

    def _member(self, keyword: str) -> Mapping[str, object]:
        member = self.members.get(f"{ATTRIBUTES[keyword][0]:08X}")
        return member if isinstance(member, dict) else {}

    def values(self, keyword: str) -> Sequence[object]:
        """The values of an attribute."""
        found = self._member(keyword).get("Value")
        return found if isinstance(found, list) else ()

    def data(self, keyword: str) -> tuple[bytes, bool] | None:
        """Inline bytes, little endian by definition (PS3.18 section F.2.7); values of a US attribute packed likewise."""
        inline = self._member(keyword).get("InlineBinary")
        values = self.values(keyword)
        try:
            if isinstance(inline, str):
                return base64.b64decode(inline, validate=True), False
            if values:
                return struct.pack(f"<{len(values)}H", *values), False
        except (ValueError, struct.error) as error:  # base64's own error is a ValueError, and not the only one
            raise SplitError(f"{keyword} of the DICOM JSON is damaged: {error}") from error
        return None

    def items(self, keyword: str) -> Sequence[Attributes]:
        """The items of a sequence."""
        return [JsonAttributes(item if isinstance(item, dict) else {}) for item in self.values(keyword)]


@dataclass(frozen=True, slots=True)
class DatasetAttributes:
    """A pydicom data set."""

    dataset: Dataset
    big_endian: bool = field(default=False)

    def values(self, keyword: str) -> Sequence[object]:
        """The values of an attribute; what pydicom cannot convert counts as absent."""
        tag = ATTRIBUTES[keyword][0]
        try:
            value = self.dataset[tag].value if tag in self.dataset else None
        except (ValueError, TypeError, OverflowError):
            return ()
        if value is None or value == "":
            return ()
        return tuple(value) if isinstance(value, (list, tuple)) or hasattr(value, "insert") else (value,)

    def data(self, keyword: str) -> tuple[bytes, bool] | None:
        """The bytes of an attribute; pydicom leaves OW as it was written."""
        tag = ATTRIBUTES[keyword][0]
        value = self.dataset[tag].value if tag in self.dataset else None
        if value is None:
            return None
        if isinstance(value, bytes):
            return value, self.big_endian and self.dataset[tag].VR != "OB"
        numbers_ = [value] if isinstance(value, int) else list(value)
        return struct.pack(f"<{len(numbers_)}H", *(entry & 0xFFFF for entry in numbers_)), False

    def items(self, keyword: str) -> Sequence[Attributes]:
        """The items of a sequence."""
        return [DatasetAttributes(item, self.big_endian) for item in self.dataset.get(keyword) or ()]
