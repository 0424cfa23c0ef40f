"""Local files looked at and read in pieces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.images.errors import FetchError, SplitError, TruncatedError
from cornerstream.operators.byte_source import read_exactly, read_pixels
from cornerstream.operators.local_file import LocalFile, opened, stat_file, version_of
from tests.support.leaks import open_descriptors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "x.bin"
    found.write_bytes(bytes(range(100)))
    return found


def test_a_version_is_equal_while_the_file_is_the_same(path: Path) -> None:
    version = stat_file(path)
    assert version == stat_file(str(path)) == version_of(str(path), path.stat())
    assert hash(version) == hash(stat_file(path))
    path.write_bytes(b"")
    assert stat_file(path) != version


def test_a_relative_path_becomes_absolute(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert stat_file("x.bin").path == str(path)


def test_exact_reads_and_short_ones(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, length, offset: pread(descriptor, min(length, 7), offset))
    with LocalFile(str(path)).opened() as file:
        assert read_exactly(file, 10, 50) == bytes(range(10, 60))
        assert read_exactly(file, 10, 5) == bytes(range(10, 15))
        with pytest.raises(TruncatedError, match="10 bytes too early, at offset 100"):
            read_exactly(file, 90, 20)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A quarter of a mebibyte, in which no two runs of bytes are alike."""
    path = tmp_path / "large.bin"
    path.write_bytes(np.arange(1 << 16, dtype="<u4").tobytes())
    return path


@pytest.mark.parametrize(("offset", "length"), [(0, 1 << 17), (12345, 1 << 16), (7, (1 << 18) - 7)])
@pytest.mark.parametrize("most", [1 << 30, 50_000, 1])
def test_pixels_are_read_into_memory_of_their_own(
    large: Path, offset: int, length: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda one, rooms, at: preadv(one, [rooms[0][:most]], at))
    with LocalFile(str(large)).opened() as file:
        pixels = read_pixels(file, offset, length)
        assert isinstance(pixels, memoryview)
        assert pixels.readonly
        assert isinstance(pixels.obj, np.ndarray)
        assert bytes(pixels) == large.read_bytes()[offset : offset + length]


def test_pixels_that_are_cut_are_never_short(large: Path) -> None:
    with LocalFile(str(large)).opened() as file:
        with pytest.raises(TruncatedError, match="100 bytes too early, at offset 262144"):
            read_pixels(file, 1000, (1 << 18) - 900)
        os.truncate(large, 0)
        with pytest.raises(TruncatedError, match="131072 bytes too early, at offset 0"):
            read_pixels(file, 0, 1 << 17)


def test_few_pixels_and_many_are_read_as_bytes(large: Path) -> None:
    class Opened:
        """As a store's, which does not read into memory."""

        version = stat_file(large)

        def read(self, count: int, offset: int) -> bytes:
            return large.read_bytes()[offset : offset + count]

    with LocalFile(str(large)).opened() as file:
        assert read_pixels(file, 3, 1000) == large.read_bytes()[3:1003]
    assert read_pixels(Opened(), 3, 1 << 17) == large.read_bytes()[3 : 3 + (1 << 17)]


def test_a_descriptor_is_closed_whatever_happens(path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(SplitError), opened(str(path)):
        raise SplitError("inside")
    with pytest.raises(FetchError, match="Input/output error") as caught, opened(str(path)):
        raise OSError(5, "Input/output error")
    assert isinstance(caught.value.__cause__, OSError)
    assert not open_descriptors() - before
    with pytest.raises(FetchError, match="No such file"), opened(str(path) + ".gone"):
        pass
