"""Parts that say their length are received into memory of their own: the same parts come out, the same faults are told."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators import parts as parts_module
from cornerstream.operators.multipart import MultipartSplitter, split_parts
from cornerstream.operators.parts import Rooms
from cornerstream.operators.split_multipart import parts_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence

    from cornerstream.operators.parts import Part

TYPE = 'multipart/related; type="application/dicom"; boundary=b'


@pytest.fixture(autouse=True)
def room_for_little(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(parts_module, "_LEAST_ROOM", 1)
    yield  # noqa: PT022 - hypothesis runs many examples in one set-up


def build(bodies: Sequence[bytes], lengths: Sequence[int | None], end: bytes = b"--b--\r\n") -> bytes:
    fields = [b"" if length is None else b"Content-Length: %d\r\n" % length for length in lengths]
    return b"".join(b"--b\r\n%s\r\n%s\r\n" % pair for pair in zip(fields, bodies, strict=True)) + end


def pour(data: bytes, sizes: Sequence[int], limits: Limits | None = None) -> list[Part]:
    """Split `data` as a long answer is: into the room of a part while there is some, else fed in small pieces."""
    splitter = MultipartSplitter(TYPE, limits or Limits())
    found, at, turn = list[Any](), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        room = splitter.room()
        piece = data[at : at + (size if room is None else min(size, len(room)))]
        if room is None:
            found += splitter.feed(piece)
        else:
            room[: len(piece)] = piece
            found += splitter.wrote(len(piece))
        at, turn = at + len(piece), turn + 1
    return [*found, *splitter.close()]


contents = (st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r", b"x--b", b"\r\n-", b"x\r", b"\r\n--c"])).filter(
    lambda body: b"\r\n--b" not in b"\r\n" + body + b"\r\n"
)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@given(st.lists(contents, min_size=1, max_size=5), st.data(), sizes)
def test_the_same_parts_come_out(bodies: list[bytes], data: st.DataObject, steps: list[int]) -> None:
    lengths = [len(body) if data.draw(st.booleans()) else None for body in bodies]
    whole = build(bodies, lengths)
    assert (
        [bytes(part.data) for part in pour(whole, steps)] == [part.data for part in split_parts(whole, TYPE)] == bodies
    )


@given(st.lists(contents.filter(bool), min_size=1, max_size=3), st.integers(-3, 3), sizes)
def test_a_length_that_is_wrong_is_told(bodies: list[bytes], wrong: int, steps: list[int]) -> None:
    lengths = [len(body) + wrong for body in bodies]
    whole = build(bodies, lengths)
    try:
        expected = [part.data for part in split_parts(whole, TYPE)]
    except ImageLoadError:
        with pytest.raises((SplitError, TruncatedError)):
            pour(whole, steps)
    else:
        assert [bytes(part.data) for part in pour(whole, steps)] == expected


@given(st.lists(contents.filter(bool), min_size=1, max_size=3), sizes, st.data())
def test_an_answer_that_is_cut_is_told(bodies: list[bytes], steps: list[int], data: st.DataObject) -> None:
    whole = build(bodies, [len(body) for body in bodies], b"--b--")
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(TruncatedError):
        pour(whole[:cut], steps)


def test_the_bytes_are_those_that_were_received() -> None:
    splitter = MultipartSplitter(TYPE)
    splitter.feed(b"--b\r\nContent-Length: 4\r\n\r\n12")
    room = splitter.room()
    assert room is not None
    room[:2] = b"34"
    assert not splitter.wrote(2)
    assert splitter.room() is None  # what comes now is the boundary's
    (part,) = [*splitter.feed(b"\r\n--b--\r\n"), *splitter.close()]
    assert isinstance(part.data, memoryview)
    assert part.data.obj is room.obj
    assert (bytes(part.data), part.data.readonly) == (b"1234", True)


def test_what_follows_a_body_may_come_with_it() -> None:
    splitter = MultipartSplitter(TYPE)
    splitter.feed(b"--b\r\nContent-Length: 4\r\n\r\n12")
    room = splitter.room()
    assert room is not None
    behind = b"34\r\n--b\r\nContent-Length: 3\r\n\r\n5"
    room[: len(behind)] = behind
    (part,) = splitter.wrote(len(behind))
    assert bytes(part.data) == b"1234"
    following = splitter.room()
    assert following is not None
    following[:2] = b"67"
    assert not splitter.wrote(2)
    (part,) = [*splitter.feed(b"\r\n--b--\r\n"), *splitter.close()]
    assert bytes(part.data) == b"567"


def test_a_part_without_its_length_has_no_room() -> None:
    splitter = MultipartSplitter(TYPE)
    splitter.feed(b"--b\r\n\r\n12")
    assert splitter.room() is None


def test_a_length_over_the_limit_gets_no_memory() -> None:
    with pytest.raises(LimitError):
        pour(build([b"12345"], [5]), [100], Limits(part_bytes=4))


@dataclass
class Poured:
    """A response that is received into memory."""

    data: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": TYPE})
    content_length: int | None = None
    image_id = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Poured]:
        yield self

    async def into(self, room: memoryview) -> int:
        piece, self.data = self.data[: len(room)], self.data[len(room) :]
        room[: len(piece)] = piece
        return len(piece)

    def chunks(self) -> AsyncGenerator[bytes, None]:
        raise AssertionError("read in chunks what can be received into memory")


async def test_a_response_that_can_is_received_into_memory() -> None:
    body = Poured(build([b"first", bytes(9000)], [5, 9000]))
    async with aclosing(parts_of(body)) as found:
        assert [bytes(part.data) async for part in found] == [b"first", bytes(9000)]


def test_memory_that_was_given_back_is_used_again() -> None:
    rooms = Rooms()
    rooms.give_back(rooms.take(100))
    first = rooms.take(110)  # new, and a little larger, since parts come back here
    owner = first.obj
    rooms.give_back(first.toreadonly())
    assert rooms.take(120).obj is owner
    assert rooms.take(120).obj is not owner  # it was given back once


@pytest.mark.parametrize("size", [20, 1000])
def test_memory_of_quite_another_size_is_new(size: int) -> None:
    rooms = Rooms()
    first = rooms.take(100)
    rooms.give_back(first)
    again = rooms.take(size)
    assert again.obj is not first.obj
    assert len(again) == size


async def test_only_what_is_given_back_is_written_over() -> None:
    bodies = [bytes([number]) * 20_000 for number in range(6)]
    body = Poured(build(bodies, [20_000] * 6))
    kept, owners = [], []
    async with aclosing(parts_of(body)) as found:
        async for part in found:
            assert isinstance(part.data, memoryview)
            owners.append(part.data.obj)
            if part.data[0] % 2:
                part.give_back()
            else:
                kept.append(part)
    assert [bytes(part.data) for part in kept] == bodies[::2]
    places = [next(index for index, one in enumerate(owners) if one is owner) for owner in owners]
    assert places == [0, 1, 1, 3, 3, 5]  # whatever came back is used once more
