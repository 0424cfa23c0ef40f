"""Every parser of a codestream's header: real headers, mutated, end in a DecodeError or in a result that can be."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.codecs.boxes import first_box
from cornerstream.operators.codecs.j2k_coding import Area, segments
from cornerstream.operators.codecs.j2k_markers import check_tile_parts, read_siz
from cornerstream.operators.codecs.jpeg_markers import read_jpeg_header
from cornerstream.operators.codecs.jpegxl_header import read_basic_info
from cornerstream.operators.codecs.rle import rle_segments
from tests.support.damage import samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.operators.codecs.guards import CodestreamHeader

_INTERESTING = st.sampled_from(
    [b"\0", b"\1", b"\x7f", b"\xff", b"\xff\xff", b"\0\0", b"\xff\xd9", b"\xff\x90", b"\xff\xda"]
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 160), st.one_of(_INTERESTING, st.binary(min_size=1, max_size=4)), st.booleans()),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, mutations: list[tuple[int, bytes, bool]]) -> bytes:
    """Bytes overwritten, or put in between."""
    for position, run, between in mutations:
        at = position % len(data)
        data = data[:at] + run + data[at + (0 if between else len(run)) :]
    return data


def jpeg(data: bytes) -> None:
    header = read_jpeg_header(data)
    assert 0 <= header.scan_offset < len(data)
    assert header.units >= 0
    possible(header.size)


def jpeg_2000(data: bytes) -> None:
    siz = read_siz(data)
    possible(siz.header)
    assert 1 <= siz.tiles <= 65_535
    first, last = siz.tile(0), siz.tile(siz.tiles - 1)
    assert (first.x0, first.y0, last.x1, last.y1) == siz.area
    assert all(area.x0 < area.x1 and area.y0 < area.y1 for area in (first, last))
    check_tile_parts(data, siz)


def jpeg_xl(data: bytes) -> None:
    header = read_basic_info(data)
    possible(header)
    assert header.samples in (1, 3)


def rle(data: bytes) -> None:
    found = rle_segments(EncodedFrame(samples()["rle-16"].metadata, data))
    assert len(found) == 2
    assert sum(map(len, found)) + 64 == len(data)


def possible(header: CodestreamHeader) -> None:
    assert 0 <= header.rows < 1 << 32
    assert 0 <= header.columns < 1 << 32
    assert header.samples >= 1
    assert header.precision >= 0


PARSERS: list[tuple[str, Callable[[bytes], None]]] = [
    *((name, jpeg) for name in ("jpeg-8", "jpeg-colour", "jpeg-progressive", "jpeg-lossless-16", "jpegls-16")),
    *((name, jpeg_2000) for name in ("j2k-16", "j2k-tiles", "j2k-colour", "htj2k-16", "htj2k-tiles")),
    *((name, jpeg_xl) for name in ("jpegxl-16", "jpegxl-boxes", "jpegxl-of-jpeg", "jpegxl-lossy")),
    ("rle-16", rle),
]


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
@given(MUTATIONS, st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_mutated_header(
    name: str, parse: Callable[[bytes], None], mutations: list[tuple[int, bytes, bool]], cut: int
) -> None:
    data = mutated(bytes(samples()[name].data), mutations)
    for variant in (data, data[:cut]):
        start = time.thread_time()
        with suppress(DecodeError):
            parse(variant)
        assert time.thread_time() - start < 0.5


@pytest.mark.parametrize(("name", "parse"), PARSERS, ids=[name for name, _ in PARSERS])
def test_every_parser_reads_what_is_whole_and_refuses_every_cut_of_its_header(
    name: str, parse: Callable[[bytes], None]
) -> None:
    data = bytes(samples()[name].data)
    parse(data)
    for length in range(64 if parse is rle else 4 if parse is jpeg_xl else 40):
        with pytest.raises(DecodeError):
            parse(data[:length])


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_anything(data: bytes) -> None:
    for parse in (jpeg, jpeg_2000, jpeg_xl, rle):
        with pytest.raises(DecodeError):
            parse(data)


@given(st.binary(max_size=200), st.sampled_from([b"jp2c", b"jxlc", b"jxlp"]), st.binary(max_size=50))
@settings(max_examples=100, deadline=None)
def test_boxes(before: bytes, kind: bytes, contents: bytes) -> None:
    free = (len(before) + 8).to_bytes(4, "big") + b"free" + before
    for length in ((len(contents) + 8).to_bytes(4, "big"), b"\0\0\0\0"):
        assert first_box(free + length + kind + contents, (kind,), "these") == (kind, contents)
    long = b"\0\0\0\1" + kind + (len(contents) + 16).to_bytes(8, "big") + contents
    assert first_box(free + long + b"rest", (kind,), "these") == (kind, contents)
    try:
        found, inside = first_box(before, (kind,), "these")
    except DecodeError:
        return
    assert found == kind
    assert bytes(inside) in before


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_units_are_counted_as_libjpeg_does(rows: int, columns: int, across: int, down: int) -> None:
    """Blocks of component i: ceil(columns × Hi / (8 × Hmax)) × ceil(rows × Vi / (8 × Vmax)) (ISO/IEC 10918-1 A.1.1)."""
    frame = b"\x08" + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + b"\3\1" + bytes((across << 4 | down,))
    frame += b"\0\2\x11\0\3\x21\0"
    data = b"\xff\xd8\xff\xc0\x00\x11" + frame + b"\xff\xda\0\2"
    expected = 0
    for h, v in ((across, down), (1, 1), (2, 1)):
        width, height = -(-columns * h // max(across, 2)), -(-rows * v // max(down, 1))
        expected += -(-width // 8) * -(-height // 8)
    assert read_jpeg_header(data).units == expected


@given(st.integers(0, 50), st.integers(1, 200), st.integers(0, 5), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_precincts_are_counted_as_they_lie(start: int, size: int, levels: int, exponent: int) -> None:
    """Against marking every sample's precinct, resolution by resolution (ISO/IEC 15444-1 B.5 and B.6)."""
    from cornerstream.operators.codecs.j2k_coding import CodingStyle, _precincts  # noqa: PLC0415

    style = CodingStyle(None, 1, ((exponent, exponent),) * (levels + 1))
    expected = 0
    for level in range(levels + 1):
        first, last = -(-start // 2**level), -(-(start + size) // 2**level)
        expected += len({sample // 2**exponent for sample in range(first, last)})
    assert _precincts(style, Area(start, 0, start + size, 1)) == expected


def test_a_header_without_an_end() -> None:
    with pytest.raises(DecodeError, match="does not end"):
        segments(b"\xff\x4f" + b"\xff\x64\0\4ab" * 5000, 2, 0xFF90)
