"""Members of zip archives as files, and damage to them."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import FetchError, ImageLoadError, SplitError, TruncatedError
from cornerstream.operators.byte_source import read_exactly
from cornerstream.operators.frame_index import open_source
from cornerstream.operators.zip_member import open_archive
from tests.support.archives import MemoryFile, archive
from tests.support.memory import MIB, growth_of
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = b"".join(b"%d, " % number for number in range(200_000))  # 1.4 MB, a third of that when it is deflated


def member(body: bytes, name: str = "a") -> bytes:
    with open_archive(MemoryFile(body)).member(name).opened() as opened:
        return read_exactly(opened, 0, opened.version.size)


@pytest.mark.parametrize("deflated", [False, True])
@given(steps=st.lists(st.tuples(st.integers(0, len(TEXT) + 9), st.integers(0, 300_000)), max_size=6))
@settings(max_examples=25, deadline=None)
def test_any_bytes_of_a_member_are_those_that_were_packed(deflated: bool, steps: list[tuple[int, int]]) -> None:
    with open_archive(MemoryFile(archive({"a": TEXT}, deflated=deflated))).member("a").opened() as opened:
        for offset, count in steps:
            assert opened.read(count, offset) == TEXT[offset : offset + count]


def test_a_stored_member_is_read_by_ranges() -> None:
    file = MemoryFile(archive({"before": bytes(99), "a": TEXT}))
    with open_archive(file).member("a").opened() as opened:
        file.reads.clear()
        assert opened.read(10, 1000) == TEXT[1000:1010]
    assert [count for _, count in file.reads] == [10]


def test_a_deflated_member_is_inflated_as_far_as_it_is_read() -> None:
    file = MemoryFile(archive({"a": random.Random(1).randbytes(4 << 20)}, deflated=True))
    with open_archive(file).member("a").opened() as opened:
        file.reads.clear()
        opened.read(100, 0)
        opened.read(100, 100)
    assert sum(count for _, count in file.reads) <= 1 << 19


def test_small_steps_near_the_end_do_not_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    make = zlib.decompressobj

    def counted(bits: int) -> zlib._Decompress:
        begun.append(bits)
        return make(bits)

    monkeypatch.setattr(zlib, "decompressobj", counted)
    with open_archive(MemoryFile(archive({"a": TEXT}, deflated=True))).member("a").opened() as opened:
        begun.clear()
        for offset in range(len(TEXT) - 60_000, len(TEXT), 500):
            assert opened.read(500, offset) == TEXT[offset : offset + 500]
    assert not begun


def test_members_are_sorted_and_hidden_ones_left_out() -> None:
    body = archive({"b/2": b"", "b.c": b"", "b/10": b"", "__MACOSX/._b": b"", ".hidden/x": b"", "a": b""})
    assert [one.member for one in open_archive(MemoryFile(body)).members()] == ["a", "b/10", "b/2", "b.c"]


def test_what_is_not_there_and_what_is_refused() -> None:
    opened = open_archive(MemoryFile(archive({"a": b"", "../b": b""})))
    with pytest.raises(FetchError, match="no member 'c'"):
        opened.member("c")
    with pytest.raises(FetchError, match="leads out") as caught:
        opened.member("../b")
    assert caught.value is not opened.directory.refused["../b"]


def patched(body: bytes, mark: bytes, at: int, value: bytes) -> bytes:
    start = body.rfind(mark) + at
    return body[:start] + value + body[start + len(value) :]


def test_sizes_are_not_believed() -> None:
    body = archive({"a": TEXT}, deflated=True)
    with pytest.raises(SplitError, match="expands to more than its 1000 bytes"):
        member(patched(body, b"PK\1\2", 24, (1000).to_bytes(4, "little")))
    with pytest.raises(TruncatedError, match="too early"):
        member(patched(body, b"PK\1\2", 24, (len(TEXT) + 1).to_bytes(4, "little")))
    with pytest.raises(TruncatedError, match="too early"):
        member(patched(body, b"PK\1\2", 20, (1000).to_bytes(4, "little")))
    with pytest.raises(TruncatedError, match="goes on behind its end"):
        member(patched(body, b"PK\1\2", 20, (1 << 30).to_bytes(4, "little")))
    with pytest.raises(SplitError, match="two sizes"):
        member(patched(archive({"a": TEXT}), b"PK\1\2", 20, (1000).to_bytes(4, "little")))


def test_a_checksum_that_is_wrong_and_a_member_that_is_not_where_it_must_be() -> None:
    body = archive({"a": TEXT}, deflated=True)
    with pytest.raises(SplitError, match="checksum"):
        member(patched(body, b"PK\1\2", 16, b"abcd"))
    for offset in (5, len(body) - 10, 1 << 31):
        with pytest.raises(ImageLoadError):
            member(patched(body, b"PK\1\2", 42, offset.to_bytes(4, "little")))


@given(at=st.integers(40, 5000), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_are_noticed(at: int, flip: int) -> None:
    plain = TEXT[:20_000]
    body = bytearray(archive({"a": plain}, deflated=True))
    stop = body.rfind(b"PK\1\2")
    body[31 + at % (stop - 31)] ^= flip
    with pytest.raises(ImageLoadError):
        member(bytes(body))


def test_an_archive_that_was_written_again_is_looked_at_anew() -> None:
    file = MemoryFile(archive({"a": native(bytes(8))}), "1")
    index = open_source(open_archive(file).member("a"))
    assert bytes(index.read(1).data) == bytes(8)
    file.body, file.tag = archive({"z": b"new", "a": native(b"12345678")}, deflated=True), "2"
    with pytest.raises(FetchError, match="has changed"):
        index.read(1)
    assert bytes(index.read_current(1).data) == b"12345678"
    file.body, file.tag = archive({"z": b"new"}), "3"
    with pytest.raises(FetchError, match="no member 'a'"):
        index.read_current(1)


def test_current_is_the_same_archive_until_it_changes() -> None:
    file = MemoryFile(archive({"a": b"1"}), "1")
    opened = open_archive(file)
    assert opened.current() is opened
    file.body, file.tag = archive({"b": b"1"}), "2"
    assert set(opened.current().directory.members) == {"b"}


def bomb_probe(mark: Callable[[], None]) -> str:
    """A member that says it is small, and is not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, file.open("a", "w") as target:
        for _ in range(512):
            target.write(bytes(1 << 20))
    body = patched(buffer.getvalue(), b"PK\1\2", 24, (1 << 24).to_bytes(4, "little"))
    mark()
    with open_archive(MemoryFile(body)).member("a").opened() as opened:
        try:
            while True:
                opened.read(1 << 16, (1 << 24) - 100)
        except ImageLoadError as error:
            return type(error).__name__


def test_a_bomb_that_lies_costs_no_memory() -> None:
    growth = growth_of(bomb_probe)
    assert growth.result == "SplitError"
    assert growth.nbytes < 8 * MIB
