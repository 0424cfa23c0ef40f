from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.byte_ranges import RemoteVersion
from cornerstream.operators.file_map import FileMap, HeaderProbe, MappedPiece
from cornerstream.operators.split_frames import FrameSplitter, split_part10
from tests.support.part10 import DEFLATED, JPEG, PRIVATE, encapsulated, item, jpeg_like, native, table, with_items
from tests.support.ranged import files, large_encapsulated, large_native
from tests.support.splitting import modest

if TYPE_CHECKING:
    from collections.abc import Sequence


def probed(body: bytes, piece: int = 1 << 16) -> tuple[HeaderProbe, list[range]]:
    """A probe that has been given whatever it wanted."""
    probe, asked = HeaderProbe(DEFAULT_LIMITS, piece), []
    while probe.wanted is not None:
        asked.append(probe.wanted)
        probe.feed(body[probe.wanted.start : probe.wanted.stop], RemoteVersion(len(body), '"v"'))
    return probe, asked


def map_of(body: bytes) -> FileMap:
    file_map = probed(body)[0].file_map
    assert file_map is not None
    return file_map


def pieces(body: bytes, file_map: FileMap, first: int, last: int, size: int = 1 << 20) -> list[bytes]:
    """Frames out of their own bytes."""
    span = file_map.span(first, last)
    data = body[span.start : span.stop]
    splitter = FrameSplitter(None, DEFAULT_LIMITS, MappedPiece(file_map, range(first, last + 1)))
    found = [frame for start in range(0, len(data), size) for frame in splitter.feed(data[start : start + size])]
    assert [frame.metadata.frame_number for frame in found] == list(range(first, first + len(found)))
    return [bytes(frame.data) for frame in found]


def by_pydicom(body: bytes) -> list[bytes]:
    """What pydicom takes for the frames; native ones of whole bytes in little endian only."""
    data_set = pydicom.dcmread(BytesIO(body))
    count = int(data_set.NumberOfFrames)
    if not data_set.file_meta.TransferSyntaxUID.is_encapsulated:
        length = data_set.Rows * data_set.Columns * data_set.BitsAllocated // 8
        return [data_set.PixelData[index * length : (index + 1) * length] for index in range(count)]
    extended = None
    if "ExtendedOffsetTable" in data_set:
        extended = data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths
    return list(generate_frames(data_set.PixelData, number_of_frames=count, extended_offsets=extended))


@modest
@given(files(), st.data())
def test_any_frames_of_any_layout_are_those_of_the_whole_file(body: bytes, data: st.DataObject) -> None:
    whole = [bytes(frame.data) for frame in split_part10(body)]
    first = data.draw(st.integers(1, len(whole)))
    last = data.draw(st.integers(first, len(whole)))
    probe, _ = probed(body, data.draw(st.sampled_from([40, 300, 1 << 16])))
    file_map = probe.file_map
    assert file_map is not None
    got = pieces(body, file_map, first, last, data.draw(st.integers(1, 400)))
    assert got == whole[first - 1 : last]
    if b"1.2.840.10008.1.2.2" not in body and b"\x28\0\0\x01US\x02\0\x01\0" not in body:
        assert [frame.rstrip(b"\0") for frame in got] == [
            frame.rstrip(b"\0") for frame in by_pydicom(body)[first - 1 : last]
        ]


@modest
@given(st.data())
def test_a_changed_byte_gives_the_right_frame_or_none(data: st.DataObject) -> None:
    frames = [jpeg_like(bytes([number]) * 40) for number in range(1, 6)]
    body = encapsulated(frames, fragments_per_frame=data.draw(st.integers(1, 2)))
    file_map, number = map_of(body), data.draw(st.integers(1, 5))
    item_at = file_map.start(number) + data.draw(st.sampled_from([0, 4, 5, 6, 7]))
    next_at = file_map.start(number + 1) + data.draw(st.sampled_from([0, 1, 2, 3])) if number < 5 else item_at
    at = data.draw(st.sampled_from([item_at, next_at]))
    damaged = bytearray(body)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        got = pieces(bytes(damaged), file_map, number, number)
    except ImageLoadError:
        return
    assert got in ([], [frames[number - 1]])  # none came: whoever reads it takes the whole file


@pytest.mark.parametrize("extended", [False, True])
def test_a_frame_takes_its_own_bytes_and_what_proves_their_end(extended: bool) -> None:
    body, frames = large_encapsulated(20, extended=extended)
    span = map_of(body).span(7, 7)
    assert body[span.start + 8 :].startswith(frames[6])
    assert len(span) == 8 + len(frames[6]) + 8 + 64
    assert map_of(body).span(20, 20).stop == len(body)


def test_frames_shorter_than_what_proves_them() -> None:
    frames = [jpeg_like(bytes([number])) for number in range(1, 6)]
    body = encapsulated(frames)
    for first in range(1, 6):
        for last in range(first, 6):
            for size in (1, 1000):
                assert pieces(body, map_of(body), first, last, size) == frames[first - 1 : last]


def test_a_frame_is_not_given_out_before_the_item_behind_it() -> None:
    body, frames = large_encapsulated(4, 400)
    file_map = map_of(body)
    span = file_map.span(2, 2)
    splitter = FrameSplitter(None, DEFAULT_LIMITS, MappedPiece(file_map, range(2, 3)))
    end = span.start + 8 + len(frames[1])
    assert splitter.feed(body[span.start : end]) == []
    assert [bytes(frame.data) for frame in splitter.feed(body[end : span.stop])] == [frames[1]]


def offsets_of(frames: Sequence[bytes]) -> list[int]:
    return [sum(len(frame) + 8 for frame in frames[:index]) for index in range(len(frames))]


FRAMES = [jpeg_like(bytes([number]) * 30) for number in range(1, 5)]
RIGHT = offsets_of(FRAMES)


def with_table(*offsets: int) -> bytes:
    return with_items([table(*offsets), *map(item, FRAMES)], 4)


@pytest.mark.parametrize("wrong", [(0, 10, RIGHT[2], RIGHT[3]), (0, RIGHT[1] + 8, RIGHT[2], RIGHT[3])])
@pytest.mark.parametrize("number", [1, 2])
def test_a_table_that_points_elsewhere_gives_nothing(wrong: tuple[int, ...], number: int) -> None:
    body = with_table(*wrong)
    got: list[bytes] = []
    with suppress(ImageLoadError):
        got = pieces(body, map_of(body), number, number)
    assert got == []
    assert pieces(body, map_of(body), 3, 3) == [FRAMES[2]]


@pytest.mark.parametrize(
    "body",
    [
        encapsulated(FRAMES, has_bot=False),
        with_table(0, RIGHT[1], RIGHT[2]),
        with_table(8, *RIGHT[1:]),
        with_table(0, RIGHT[2], RIGHT[1], RIGHT[3]),
        with_table(0, RIGHT[1], RIGHT[2], 1 << 30),
        encapsulated(FRAMES, PRIVATE),
        native(bytes(range(40)), DEFLATED, NumberOfFrames=5),
        native(bytes(range(40)), NumberOfFrames=5)[:-8],
        b"nothing of that kind",
        encapsulated(FRAMES, JPEG, Rows=0),
    ],
)
def test_without_a_table_to_believe_there_is_no_map(body: bytes) -> None:
    assert probed(body)[0].file_map is None


def test_a_long_header_is_asked_for_in_growing_pieces() -> None:
    body, _ = large_encapsulated(2000, 16)
    probe, asked = probed(body, 1 << 10)
    assert probe.file_map is not None
    assert [len(one) for one in asked] == [1 << 10, 1 << 11, 1 << 12, 1 << 13][: len(asked)]
    assert probe.prefix == body[: asked[-1].stop]


def test_a_value_that_nobody_looks_at_is_not_asked_for() -> None:
    body = native(bytes(range(40)), NumberOfFrames=5, EncapsulatedDocument=bytes(300_000))
    probe, asked = probed(body, 1 << 10)
    assert probe.file_map is not None
    assert probe.prefix is None
    assert sum(map(len, asked)) < 10_000


def test_the_map_knows_its_size() -> None:
    body, _ = large_native(50)
    assert map_of(body).nbytes < 20_000
