"""The short way through ordinary elements is the parser's own way, only faster: same outcome for whatever stands there."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import Limits
from cornerstream.operators import part10
from cornerstream.operators.byte_stream import ByteStream, finish
from cornerstream.operators.elements import EXPLICIT, IMPLICIT, LONG_VRS, SHORT_VRS, Encoding
from cornerstream.operators.keywords import TAGS
from cornerstream.operators.plain_elements import pass_plain_elements

if TYPE_CHECKING:
    from cornerstream.operators.elements import Element

_LIMITS = Limits(header_bytes=2000, elements=4, sequence_depth=3)
_ALL = range(1 << 32)
_SEQUENCE_END = pack("<HHI", 0xFFFE, 0xE0DD, 0)
_ITEM = pack("<HHI", 0xFFFE, 0xE000, 4) + b"\x08\0\x05\0"

tags = st.one_of(
    st.sampled_from(sorted(TAGS)),
    st.sampled_from([0x00020010, 0x00090010, 0x7FE00001, 0x7FE00010, 0xFFFEE000, 0xFFFEE0DD]),
    st.integers(0, (1 << 32) - 1),
)
values = st.one_of(st.binary(max_size=12), st.sampled_from([bytes(1000), bytes(20_000)]))


def explicit(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """One element; a length of its own makes it lie."""
    stated = len(value) if length is None else length
    head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (pack("<H", stated & 0xFFFF) if vr in SHORT_VRS else pack("<HI", 0, stated)) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """One element without its representation."""
    return pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


vrs = st.sampled_from(sorted(SHORT_VRS | LONG_VRS | {b"XX", b"\0\0", b"zz"}))
lengths = st.one_of(st.none(), st.just(0xFFFFFFFF), st.integers(0, 40))
undefined = st.builds(lambda tag: explicit(tag, b"SQ", _ITEM + _SEQUENCE_END, 0xFFFFFFFF), tags)
explicit_elements = st.one_of(
    st.builds(explicit, tags, vrs, values),
    st.builds(explicit, tags, vrs, values, lengths),
    st.builds(implicit, tags, values),
    undefined,
)
implicit_elements = st.one_of(st.builds(implicit, tags, values), st.builds(implicit, tags, values, lengths))


def read(data: bytes, encoding: Encoding) -> tuple[object, ...]:
    """All that reading a data set comes to."""
    stream = ByteStream(data, ended=True)
    try:
        found, pixels = finish(part10._read_data_set(stream, encoding, _LIMITS))
    except ImageLoadError as error:
        return type(error), error.message
    return list(found.items()), pixels, stream.position, stream.elements


@pytest.mark.parametrize(("encoding", "elements"), [(EXPLICIT, explicit_elements), (IMPLICIT, implicit_elements)])
def test_the_outcome_is_that_of_the_parser_alone(
    encoding: Encoding, elements: st.SearchStrategy[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def long_way(*_: object) -> None:
        """Passes nothing."""

    @given(st.lists(elements, max_size=14), st.integers(0, 3))
    def compare(written: list[bytes], cut: int) -> None:
        data = b"".join(written)
        data = data[: len(data) - cut]
        monkeypatch.setattr(part10, "pass_plain_elements", pass_plain_elements)
        short = read(data, encoding)
        monkeypatch.setattr(part10, "pass_plain_elements", long_way)
        assert short == read(data, encoding)

    compare()


@pytest.mark.parametrize("encoding", [EXPLICIT, IMPLICIT])
def test_ordinary_elements_are_passed_in_one_call(encoding: Encoding) -> None:
    rows, private = (0x00280010, b"\0\2"), (0x00090010, b"WHO ")
    written = [implicit(*one) if encoding.implicit else explicit(one[0], b"UN", one[1]) for one in (private, rows)]
    stream, found = ByteStream(b"".join(written) + bytes(4)), dict[int, "Element"]()
    pass_plain_elements(stream, encoding, _ALL, TAGS, found, _LIMITS)
    assert stream.position == sum(map(len, written))
    assert stream.elements == 2
    assert {tag: element.value for tag, element in found.items()} == dict([rows])


def test_big_endian_is_left_to_the_parser() -> None:
    stream, found = ByteStream(explicit(0x00280010, b"US", b"\0\2") + bytes(12)), dict[int, "Element"]()
    pass_plain_elements(stream, Encoding(big_endian=True), _ALL, TAGS, found, _LIMITS)
    assert (stream.position, found) == (0, {})
