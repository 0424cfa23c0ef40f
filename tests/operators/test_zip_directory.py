"""Directories of zip archives, as zipfile writes them and as strangers do."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.zip_directory import is_archive, is_plain_name, read_directory
from tests.support.archives import MemoryFile, archive, renamed

if TYPE_CHECKING:
    from cornerstream.operators.zip_directory import ZipDirectory


def directory(body: bytes, limits: Limits | None = None) -> ZipDirectory:
    return read_directory(MemoryFile(body), limits or Limits())


def refused(body: bytes, limits: Limits | None = None) -> dict[str, tuple[type[ImageLoadError], str]]:
    return {name: (type(error), str(error)) for name, error in directory(body, limits).refused.items()}


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


COMMENTS = st.binary(max_size=40).filter(lambda comment: b"PK\5\6" not in comment)  # zipfile would not find its own end


@given(st.lists(names, max_size=8, unique=True), st.booleans(), COMMENTS)
@settings(max_examples=60, deadline=None)
def test_it_has_the_members_that_zipfile_wrote(found: list[str], deflated: bool, comment: bytes) -> None:
    body = archive({name: name.encode() * 3 for name in found}, deflated=deflated, comment=comment)
    read = directory(body)
    wanted = {info.filename for info in zipfile.ZipFile(io.BytesIO(body)).infolist()}
    assert {*read.members, *read.refused} == {name for name in wanted if not name.endswith("/")} | set(read.refused)
    assert set(read.members) == {name for name in wanted if is_plain_name(name) and not name.endswith("/")}
    with zipfile.ZipFile(io.BytesIO(body)) as oracle:
        for name, entry in read.members.items():
            info = oracle.getinfo(name)
            assert (entry.size, entry.packed, entry.crc) == (info.file_size, info.compress_size, info.CRC)
            assert entry.offset == info.header_offset


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_anything_else_is_refused_by_type(junk: bytes) -> None:
    for body in (junk, archive({"a": b"b"})[:-22] + junk, b"PK\3\4" + junk):
        try:
            directory(body)
        except ImageLoadError:
            continue
        assert zipfile.is_zipfile(io.BytesIO(body))


@given(st.integers(0, 2000), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_a_damaged_byte_is_an_error_or_found(at: int, flip: int) -> None:
    body = bytearray(archive({"a": b"b" * 30, "c/d": bytes(200)}, deflated=True))
    body[at % len(body)] ^= flip
    try:
        read = directory(bytes(body))
    except ImageLoadError:
        return
    assert len(read.members) + len(read.refused) <= 2


def test_every_cut_is_refused() -> None:
    body = archive({f"{number}.dcm": bytes(20) for number in range(5)})
    for end in range(len(body)):
        with pytest.raises((TruncatedError, SplitError)):
            directory(body[:end])


def test_a_comment_may_look_like_an_end() -> None:
    end = archive({})
    assert set(directory(archive({"a": b"1"}, comment=b"PK\5\6 and more")).members) == {"a"}
    assert set(directory(archive({"a": b"1"}, comment=end[:-1])).members) == {"a"}


def test_a_prefix_does_not_matter() -> None:
    body = archive({"a": b"first"})
    entry = directory(b"#!/bin/sh\n" + body).members["a"]
    assert entry.offset == 10


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/etc/passwd", "\\windows", "C:\\a", "c:a", "a\\..\\..\\b"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    body = renamed(archive({"x" * len(name): b"evil", "good": b""}), "x" * len(name), name)
    assert set(directory(body).members) == {"good"}
    kind, message = refused(body)[name]
    assert kind is FetchError
    assert "leads out of the archive" in message


def test_names_that_stand_twice_are_both_refused() -> None:
    body = renamed(archive({"one": b"1", "two": b"2", "new": b"3"}), "two", "one")
    assert set(directory(body).members) == {"new"}
    assert refused(body)["one"][0] is SplitError


def test_links_devices_and_encrypted_members_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, kind in (("link", stat.S_IFLNK), ("device", stat.S_IFBLK), ("file", stat.S_IFREG)):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (kind | 0o777) << 16
            file.writestr(info, b"/etc/passwd")
    found = refused(buffer.getvalue())
    assert set(found) == {"link", "device"}
    assert "not followed" in found["link"][1]
    body = bytearray(archive({"secret": b"x"}))
    body[body.rfind(b"PK\1\2") + 8] |= 1
    error, message = refused(bytes(body))["secret"]
    assert error is FetchError
    assert "encrypted" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_are_named(method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("a", b"bytes" * 9)
    assert f"method {method}" in refused(buffer.getvalue())["a"][1]


def test_a_bomb_is_over_the_limit_before_a_byte_of_it_is_inflated() -> None:
    body = archive({"bomb": bytes(1 << 25), "blank": bytes(1 << 23)}, deflated=True)
    assert len(body) < 1 << 16
    assert set(directory(body).members) == {"blank"}
    assert refused(body)["bomb"][0] is LimitError
    assert "archive_ratio" in refused(body)["bomb"][1]
    assert not refused(body, Limits(archive_ratio=2000))
    assert "response_bytes" in refused(body, Limits(response_bytes=1 << 20))["blank"][1]


def test_too_many_members() -> None:
    body = archive({str(number): b"" for number in range(20)})
    with pytest.raises(LimitError, match="archive_members"):
        directory(body, Limits(archive_members=19))
    lied = bytearray(body)
    lied[-12:-10] = struct.pack("<H", 3)  # the count at the end
    with pytest.raises(LimitError, match="archive_members"):
        directory(bytes(lied), Limits(archive_members=19))
    with pytest.raises(SplitError, match="20 members where it says 3"):
        directory(bytes(lied))


def test_sizes_of_64_bits() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file, file.open("a", "w", force_zip64=True) as member:
        member.write(b"wide")
    body = buffer.getvalue()
    at = body.rfind(b"PK\1\2")
    extra = struct.pack("<HHQQ", 1, 16, 4, 4)
    entry = bytearray(body[at : at + 46])
    struct.pack_into("<LLHH", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF, 1, len(extra))
    central = bytes(entry) + b"a" + extra
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), at)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at + len(central), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    wide = body[:at] + central + end_64 + locator + end
    assert zipfile.ZipFile(io.BytesIO(wide)).read("a") == b"wide"
    assert directory(wide).members["a"].size == 4
    with pytest.raises(SplitError, match="64-bit"):
        directory(wide.replace(b"PK\6\6", b"PK\6\5"))


def test_parts_of_a_split_archive_are_refused() -> None:
    body = bytearray(archive({"a": b""}))
    body[-18] = 1
    with pytest.raises(SplitError, match="several"):
        directory(bytes(body))


def test_archives_are_known_by_their_bytes() -> None:
    assert is_archive(archive({"a": b""}))
    assert is_archive(archive({}))
    assert not is_archive(b"PK is how this text begins")
    assert directory(archive({})).members == {}
