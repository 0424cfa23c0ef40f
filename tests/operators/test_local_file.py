"""Local files looked at and read in pieces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import FetchError, SplitError, TruncatedError
from cornerstream.operators.byte_source import read_exactly
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
