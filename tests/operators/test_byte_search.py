"""Four bytes are found wherever they stand, as a regular expression finds them; two are counted as `bytes` does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.operators import byte_search
from cornerstream.operators.byte_search import count_pair, find_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = bytes.fromhex("FEFF00E0")
PIECES = st.sampled_from([TAG, TAG[:2], TAG[2:], TAG[1:3], b"\xfe", b"\x00", b"any"])


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(byte_search, "_WINDOW", 8)
    yield  # noqa: PT022 - hypothesis runs many examples in one set-up


@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_all_are_found_in_order(data: bytes) -> None:
    found = [match.start() for match in re.finditer(b"(?=" + re.escape(TAG) + b")", data)]
    assert list(find_tag(data, TAG)) == found


@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_a_view_is_searched_as_well(data: bytes) -> None:
    assert list(find_tag(memoryview(b"x" + data)[1:], TAG)) == list(find_tag(data, TAG))


@given(st.lists(PIECES, max_size=20).map(b"".join), st.integers(0, 90), st.sampled_from([b"\xfe\xff", b"\x00\xe0"]))
def test_pairs_are_counted_from_anywhere(data: bytes, start: int, pair: bytes) -> None:
    assert count_pair(data, pair, start) == count_pair(memoryview(data), pair, start) == data.count(pair, start)
