"""The stream under the parsers."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.operators.byte_stream import ByteStream, finish

if TYPE_CHECKING:
    from collections.abc import Generator


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def take(stream: ByteStream, count: int) -> Generator[None, None, bytes]:
    yield from stream.need(count)
    return stream.take(count)


def test_bytes_are_taken_and_skipped_in_order() -> None:
    stream = ByteStream(b"abcdefgh", ended=True)
    assert stream.peek(3) == b"abc"
    assert finish(take(stream, 2)) == b"ab"
    stream.skip(3)
    assert (stream.position, stream.buffered) == (5, 3)
    assert finish(take(stream, 3)) == b"fgh"
    assert finish(stream.more()) is False


def test_what_is_skipped_ahead_is_dropped_as_it_arrives() -> None:
    stream = ByteStream(b"ab")
    stream.skip(6)
    waiting = take(stream, 2)
    next(waiting)
    for chunk in (b"cd", b"e", b"fgh"):
        assert stream.buffered == 0
        stream.feed(chunk)
    with pytest.raises(StopIteration) as caught:
        next(waiting)
    assert caught.value.value == b"gh"
    assert stream.position == 8


def test_a_driver_with_random_access_fills_where_the_parser_is() -> None:
    data = bytes(range(100))
    stream = ByteStream(data[:4])
    stream.skip(50)
    assert stream.wanted_position == 50
    stream.fill(data[50:60])
    assert stream.wanted_position == 60
    assert finish(take(stream, 2)) == data[50:52]


def test_an_end_before_the_bytes_is_truncation() -> None:
    with pytest.raises(TruncatedError, match="2 bytes too early, at offset 3"):
        finish(take(ByteStream(b"abc", ended=True), 5))
    skipped = ByteStream(b"abc", ended=True)
    skipped.skip(5)
    with pytest.raises(TruncatedError, match="at offset 3"):
        finish(skipped.more())


@given(st.binary(max_size=3000), st.lists(st.integers(1, 50), max_size=20))
@hypothesis_settings(max_examples=40, deadline=None)
def test_deflated_bytes_come_inflated_under_any_chunking(data: bytes, sizes: list[int]) -> None:
    packed = b"meta" + deflated(data) + b"\0"  # PS3.5 annex A.5: padded to an even length
    stream = ByteStream(packed[:4])
    assert finish(take(stream, 4)) == b"meta"
    stream.inflate(1 << 20)
    start = 4
    for size in [*sizes, len(packed)]:
        stream.feed(packed[start : start + size])
        start += size
    assert finish(take(stream, len(data))) == data
    assert not stream.has(1)
    assert stream.ended
    assert stream.wanted_position == len(packed)


def test_bytes_buffered_before_inflating_are_inflated() -> None:
    stream = ByteStream(b"meta" + deflated(b"hello"))
    stream.skip(4)
    stream.inflate(100)
    assert finish(take(stream, 5)) == b"hello"
    assert stream.position == 9


def test_inflating_stops_where_the_parser_does_and_at_the_limit() -> None:
    stream = ByteStream()
    stream.inflate(1 << 20)
    stream.feed(deflated(bytes(1 << 26)))
    assert stream.has(10)
    assert stream.buffered <= 1 << 18
    with pytest.raises(LimitError, match="inflated_bytes"):
        stream.has(1 << 22)


def test_a_cut_deflate_stream_is_truncated_and_a_damaged_one_refused() -> None:
    stream = ByteStream()
    stream.inflate(1 << 20)
    stream.feed(deflated(bytes(range(200)))[:-5])
    stream.ended = True
    with pytest.raises(TruncatedError):
        finish(take(stream, 200))
    stream = ByteStream(b"\xff" * 10)
    stream.inflate(100)
    with pytest.raises(SplitError, match="damaged"):
        stream.has(1)
