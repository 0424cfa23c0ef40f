"""When a series is retrieved whole: a table of links, servers and slices."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from cornerstream.retrieval_plan import RetrievalCase, is_faster_as_series, requests_seconds, series_seconds

MIB = 1 << 20
SMALL = RetrievalCase(missing=300, total=300, image_bytes=32 << 10, room=256 * MIB, slots=7, latency=0.001, rate=0.0)
CT = replace(SMALL, image_bytes=MIB / 2)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (SMALL, True),  # nothing is known of the link: it is fast
        (replace(SMALL, latency=inf), True),
        (replace(SMALL, latency=0.05), True),
        (replace(SMALL, latency=0.05, rate=4e6), True),  # what seven requests carry, not what the link does
        (replace(SMALL, latency=0.001, rate=7e6), True),  # a server that takes four milliseconds for a request
        (replace(SMALL, latency=0.02, rate=1e6), False),  # a slow link is full anyway
        (replace(CT, latency=0.05, rate=20e6), False),
        (replace(CT, latency=0.3, rate=20e6), True),  # far away, seven requests do not fill it
        (replace(CT, room=140 * MIB), False),
        (replace(SMALL, missing=15, total=15), False),
        (replace(SMALL, missing=16, total=16), True),
        (replace(SMALL, missing=149), False),  # more comes in vain than is wanted
        (replace(SMALL, missing=150), True),
    ],
)
def test_a_series_is_retrieved_whole_where_that_is_sooner(case: RetrievalCase, expected: bool) -> None:
    assert is_faster_as_series(case) is expected


def test_what_comes_in_vain_counts() -> None:
    slow = replace(SMALL, missing=200, rate=1e6)
    assert series_seconds(slow) == pytest.approx(300 * (32 << 10) / 1e6, rel=0.01)
    assert requests_seconds(slow) == pytest.approx(200 * (32 << 10) / 1e6, rel=0.01)


def test_requests_take_turns() -> None:
    assert requests_seconds(replace(SMALL, latency=0.1)) == pytest.approx(300 / 7 * 0.103)
