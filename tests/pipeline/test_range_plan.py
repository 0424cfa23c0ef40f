from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.byte_ranges import RemoteVersion
from cornerstream.operators.file_map import FileMap, HeaderProbe
from cornerstream.range_plan import far_ones, reads_whole, spans, with_announced
from tests.support.ranged import large_native

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAME = 64 * 64 * 2


@cache
def file_of(frames: int) -> FileMap:
    """A map of a file whose frames have 8 KiB each."""
    body, _ = large_native(frames)
    probe = HeaderProbe(DEFAULT_LIMITS, len(body))
    probe.feed(body, RemoteVersion(len(body), '"v"'))
    assert probe.file_map is not None
    return probe.file_map


EVERY = range(1, 1001)


@pytest.mark.parametrize(
    ("frames", "numbers", "announced", "whole"),
    [
        (1, [1], [], True),  # a single frame is its file
        (100, [90], [], True),  # 0.8 MB: less than another answer is worth
        (1000, [900], [], False),
        (1000, [60], [], True),  # half a megabyte from the beginning comes as soon
        (1000, [70], [], False),
        (1000, [1], [], True),
        (1000, [1, 900], [], False),
        (1000, EVERY, [], True),
        (1000, [1, 2, 3], EVERY[3:], True),
        (1000, [50], EVERY[50:], True),
        (1000, [300], EVERY[300:], False),  # what stands before it is not wanted
        (1000, [1000, 999], EVERY[::-1][2:], False),
        (1000, [1, 500], range(501, 700), False),
        (1000, [1, 60, 120, 180], [], True),  # each comes soon after the one before
    ],
)
def test_when_the_whole_file_is_read(
    frames: int, numbers: Sequence[int], announced: Sequence[int], whole: bool
) -> None:
    assert reads_whole(file_of(frames), numbers, announced) is whole


@pytest.mark.parametrize(
    ("numbers", "come", "far"),
    [
        ([900], 0, [900]),
        ([900], 895 * FRAME, []),
        ([10, 900, 901], 0, [900, 901]),
        ([10, 70, 130], 0, []),
        ([5], 500 * FRAME, []),  # it has passed
        ([], 0, []),
    ],
)
def test_what_is_far_from_coming(numbers: Sequence[int], come: int, far: Sequence[int]) -> None:
    assert far_ones(file_of(1000), numbers, come) == far


@pytest.mark.parametrize(
    ("numbers", "most", "wanted"),
    [
        ([7], 1, [range(7, 8)]),
        ([9, 7, 8], 1 << 20, [range(7, 10)]),
        ([7, 9], 1 << 20, [range(7, 10)]),  # what lies between costs less than a request
        ([7, 500], 1 << 30, [range(7, 8), range(500, 501)]),
        ([7, 8, 9, 10], 2 * FRAME, [range(7, 9), range(9, 11)]),
        ([], 1, []),
    ],
)
def test_neighbours_travel_together(numbers: Sequence[int], most: int, wanted: Sequence[range]) -> None:
    assert spans(file_of(1000), numbers, most) == wanted


def test_what_streams_want_next_comes_along_as_far_as_there_is_room() -> None:
    file_map = file_of(1000)
    assert with_announced(file_map, [7], range(8, 1000), 3 * FRAME) == [7, 8, 9, 10]
    assert with_announced(file_map, [7], [], 1 << 30) == [7]
    assert with_announced(file_map, [7, 8], [8, 6], FRAME) == [7, 8, 6]
