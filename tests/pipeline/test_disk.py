from __future__ import annotations

import os
import stat
import subprocess
import sys
from time import time
from typing import TYPE_CHECKING

import pytest

from cornerstream.disk import DiskCache, Stored
from tests.support.leaks import open_descriptors

if TYPE_CHECKING:
    from pathlib import Path

UID = "1.2.840.99999.1"
KEY = f"body https://me:secret@pacs/studies/{UID}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "key")


def test_what_is_stored_comes_back_and_outlives_its_cache(folder: Path) -> None:
    before = open_descriptors()
    stored = Stored({"etag": '"x"', "content-type": "a/b"}, bytes(range(256)))
    DiskCache(folder).put(KEY, stored)
    cache = DiskCache(folder)
    assert cache.get(KEY) == stored
    assert cache.get("other") is None
    cache.put(KEY, Stored({}, b"new"))
    found = cache.get(KEY)
    assert found is not None
    assert found.data == b"new"
    cache.discard(KEY)
    assert (cache.get(KEY), entries(folder)) == (None, [])
    assert open_descriptors() == before


def test_only_the_owner_can_read_it_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        DiskCache(folder).put(KEY, Stored({}, b"data"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 2


def test_names_and_files_tell_neither_addresses_nor_credentials(folder: Path) -> None:
    DiskCache(folder).put(KEY, Stored({"etag": '"x"'}, b"pixels"))
    told = b"".join(path.name.encode() + path.read_bytes() for path in folder.iterdir())
    assert b"pixels" in told
    assert not any(word in told for word in (b"pacs", b"secret", UID.encode()))


def test_the_same_address_has_another_name_in_another_folder(tmp_path: Path) -> None:
    for name in "ab":
        DiskCache(tmp_path / name).put(KEY, Stored({}, b"data"))
    assert entries(tmp_path / "a")[0].name != entries(tmp_path / "b")[0].name


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o750, 0o701])
def test_a_folder_that_others_can_use_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="yours alone"):
        DiskCache(folder)
    folder.chmod(0o700)
    cache = DiskCache(folder)
    folder.chmod(mode)
    with pytest.raises(PermissionError, match="yours alone"):
        cache.put(KEY, Stored({}, b"data"))


def test_a_symbolic_link_is_refused_also_when_it_comes_later(folder: Path, tmp_path: Path) -> None:
    cache = DiskCache(folder)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(PermissionError, match="no symbolic link"):
        DiskCache(folder)
    with pytest.raises(PermissionError, match="no symbolic link"):
        cache.get(KEY)


def test_a_file_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    cache = DiskCache(folder)
    cache.put(KEY, Stored({}, b"data"))
    (entry,) = entries(folder)
    elsewhere = tmp_path / "elsewhere"
    entry.rename(elsewhere)
    entry.symlink_to(elsewhere)
    assert cache.get(KEY) is None
    assert elsewhere.exists()
    assert entries(folder) == []


@pytest.mark.parametrize("at", [0, 31, 32, 36, 60, -1])
def test_a_damaged_file_is_deleted_and_is_a_miss(folder: Path, at: int) -> None:
    cache = DiskCache(folder)
    cache.put(KEY, Stored({"etag": '"x"'}, b"data" * 100))
    (entry,) = entries(folder)
    content = bytearray(entry.read_bytes())
    content[at] ^= 1
    entry.write_bytes(content)
    assert cache.get(KEY) is None
    assert entries(folder) == []


@pytest.mark.parametrize("length", [0, 10, 32, 40, 300])
def test_a_file_cut_short_is_deleted_and_is_a_miss(folder: Path, length: int) -> None:
    cache = DiskCache(folder)
    cache.put(KEY, Stored({}, b"data" * 100))
    (entry,) = entries(folder)
    entry.write_bytes(entry.read_bytes()[:length])
    assert cache.get(KEY) is None
    assert entries(folder) == []


def test_a_file_under_anothers_name_is_a_miss(folder: Path) -> None:
    cache = DiskCache(folder)
    cache.put("a", Stored({}, b"a"))
    (first,) = entries(folder)
    cache.put("b", Stored({}, b"b"))
    (second,) = set(entries(folder)) - {first}
    first.rename(second)
    assert cache.get("b") is None


def test_it_is_bounded_and_the_least_recently_used_goes(folder: Path) -> None:
    cache = DiskCache(folder, max_bytes=100_000)
    for number in range(40):
        cache.put(str(number), Stored({}, bytes(5000)))
        for path in entries(folder):  # a file system's clock is too coarse for this
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
        assert cache.get("0") is not None
        assert cache.nbytes <= 100_000
    assert cache.get("1") is None
    assert cache.get("39") is not None
    cache.put("huge", Stored({}, bytes(20_000)))
    assert cache.get("huge") is None


def test_what_a_crash_left_behind_is_deleted_and_what_is_being_written_is_not(folder: Path) -> None:
    DiskCache(folder)
    old, new = folder / "new-old", folder / "new-new"
    for path, seconds in ((old, 7200), (new, 10)):
        path.write_bytes(b"half")
        os.utime(path, (time() - seconds,) * 2)
    DiskCache(folder)
    assert (old.exists(), new.exists()) == (False, True)


def test_clearing_deletes_every_answer_and_nothing_of_others(folder: Path) -> None:
    cache = DiskCache(folder)
    (folder / "mine.txt").write_text("keep me")
    cache.put(KEY, Stored({}, b"data"))
    cache.clear()
    assert [path.name for path in entries(folder)] == ["mine.txt"]
    cache.put(KEY, Stored({}, b"data"))
    assert cache.get(KEY) is not None


def test_a_write_that_fails_leaves_nothing_and_the_old_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(folder)
    cache.put(KEY, Stored({}, b"old"))

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match="no space"):
            cache.put(KEY, Stored({}, b"new"))
    found = cache.get(KEY)
    assert found is not None
    assert found.data == b"old"
    assert len(entries(folder)) == 1


def test_a_damaged_key_is_another_key(folder: Path) -> None:
    DiskCache(folder).put(KEY, Stored({}, b"data"))
    (folder / "key").write_bytes(b"short")
    cache = DiskCache(folder)
    assert len((folder / "key").read_bytes()) == 32
    assert cache.get(KEY) is None
    cache.put(KEY, Stored({}, b"data"))
    assert cache.get(KEY) is not None


WRITER = """
import sys
from cornerstream.disk import DiskCache, Stored
cache = DiskCache(sys.argv[1], max_bytes=200_000)
for number in range(150):
    key = str(number % 10)
    cache.put(key, Stored({}, key.encode() * 5000))
    found = cache.get(key)
    assert found is None or found.data == key.encode() * 5000
"""


def test_two_processes_share_a_folder(folder: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder)]) for _ in range(2)]
    assert [process.wait(30) for process in processes] == [0, 0]
    cache = DiskCache(folder, max_bytes=200_000)
    for number in range(10):
        found = cache.get(str(number))
        assert found is None or found.data == str(number).encode() * 5000
    assert cache.nbytes <= 200_000
    assert not [path for path in entries(folder) if path.name.startswith("new-")]


def test_a_bound_of_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        DiskCache(folder, max_bytes=0)
