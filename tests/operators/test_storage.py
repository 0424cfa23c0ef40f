"""Files of stores: read by ranges, whatever a file system raises translated, what opens it kept secret."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.images.errors import FetchError, ImageLoadError
from cornerstream.operators import storage
from cornerstream.operators.frame_index import open_source
from cornerstream.operators.storage import OpenStoreFile, StoreFile, Stores, files_in_store, version_of
from tests.support.file_systems import CountingFileSystem, register
from tests.support.part10 import encapsulated, jpeg_like, native

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2-and-more"
FRAME_BYTES = 1 << 20


@pytest.fixture
def system() -> Iterator[CountingFileSystem]:
    register()
    made = CountingFileSystem(skip_instance_cache=True)
    yield made
    for listed in (made.store, made.reads, made.made):
        listed.clear()


def test_one_frame_of_a_large_file_costs_its_own_bytes(system: CountingFileSystem) -> None:
    frames = [bytes([number]) * FRAME_BYTES for number in range(16)]
    body = native(b"".join(frames), Rows=1024, Columns=1024, NumberOfFrames=16)
    system.pipe("/large.dcm", body)
    index = open_source(StoreFile("counting://large.dcm", Stores()))
    assert system.bytes_read <= 1 << 16
    system.reads.clear()
    assert bytes(index.read(12).data) == frames[11]
    assert system.bytes_read == FRAME_BYTES


def test_fragments_far_from_each_other_are_not_read_whole(system: CountingFileSystem) -> None:
    frames = [jpeg_like(bytes([number]) * (1 << 20)) for number in range(1, 9)]
    system.pipe("/fragments.dcm", encapsulated(frames))
    index = open_source(StoreFile("counting://fragments.dcm", Stores()))
    assert system.bytes_read < 1 << 19
    system.reads.clear()
    assert bytes(index.read(5).data) == frames[4]
    assert system.bytes_read == len(frames[4])


def test_small_fragments_are_asked_for_together(system: CountingFileSystem) -> None:
    frames = [jpeg_like(bytes([number % 256]) * 3000) for number in range(400)]
    system.pipe("/small.dcm", encapsulated(frames))
    index = open_source(StoreFile("counting://small.dcm", Stores()))
    assert len(system.reads) < 25
    assert bytes(index.read(300).data) == frames[299]


def test_a_file_that_was_written_again(system: CountingFileSystem) -> None:
    system.pipe("/a.dcm", native(bytes(8)))
    index = open_source(StoreFile("counting://a.dcm", Stores()))
    system.pipe("/a.dcm", native(b"87654321"))
    with pytest.raises(FetchError, match="has changed"):
        index.read(1)
    assert bytes(index.read_current(1).data) == b"87654321"


def test_a_listing_is_sorted_and_leaves_out_what_is_hidden(system: CountingFileSystem) -> None:
    for name in ("b/2.dcm", "b.dcm", "b/10?.dcm", ".hidden/x.dcm", "b/.x.dcm", "a%.dcm"):
        system.pipe(f"/root/{name}", b"x")
    found = files_in_store("counting://root", Stores())
    assert [file.address for file in found] == [
        "counting:///root/a%25.dcm",
        "counting:///root/b/10%3F.dcm",
        "counting:///root/b/2.dcm",
        "counting:///root/b.dcm",
    ]
    for file in found:
        with file.opened() as opened:
            assert opened.read(10, 0) == b"x"
    assert [file.address for file in files_in_store("counting://root/b.dcm", Stores())] == ["counting://root/b.dcm"]
    with pytest.raises(FetchError, match="no such file"):
        files_in_store("counting://nowhere", Stores())


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("counting://none.dcm", "no such file"),
        ("counting://root", "it is a folder"),
        ("nosuchprotocol://a", "Protocol not known"),
    ],
)
def test_what_cannot_be_read_says_why(system: CountingFileSystem, address: str, message: str) -> None:
    system.pipe("/root/a.dcm", b"x")
    with pytest.raises(FetchError, match=message), StoreFile(address, Stores()).opened():
        pass


def test_a_store_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(FetchError, match="s3fs"), StoreFile("s3://bucket/a", Stores()).opened():
        pass
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(FetchError, match=r"cornerstream\[storage\]"), StoreFile("s3://bucket/a", Stores()).opened():
        pass


class Faulty(CountingFileSystem):
    """A store whose answers are wrong in some way."""

    answer: bytes | Exception = b""

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"size": 100, "type": "file", "ETag": "x"}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"y" * 101, "101 bytes of .* where 10 were asked for"),
        (TimeoutError("too slow"), "too slow"),
        (RuntimeError(f"denied for {SECRET}"), "denied for …"),
        (PermissionError(13, "denied"), "denied"),
    ],
)
def test_faults_of_a_store_are_typed_and_keep_its_secrets(answer: bytes | Exception, message: str) -> None:
    system = Faulty(skip_instance_cache=True)
    system.answer = answer
    stores = Stores({"faulty": {"secret": SECRET, "nested": {"token": "another one"}}})
    opened = OpenStoreFile(system, "/a", version_of("faulty://a", system.info("/a")), stores)
    with pytest.raises(FetchError, match=message) as caught:
        opened.read(1 << 14, 90)
    assert SECRET not in str(caught.value)


def test_options_go_to_the_system_they_are_for_and_nowhere_else(system: CountingFileSystem) -> None:
    options = {"counting": {"secret": "general"}, "counting://bucket/b": {"secret": SECRET}, "s3": {"key": "other"}}
    stores = Stores(options)
    system.made.clear()
    assert stores.options_for("counting://bucket/b/c.dcm") == {"counting": {"secret": SECRET}}
    assert stores.options_for("counting://bucket/bc.dcm") == {"counting": {"secret": "general"}}
    assert stores.options_for("simplecache::s3://b/c") == {"s3": {"key": "other"}}
    system.pipe("/bucket/b/c.dcm", native(bytes(8)))
    file = StoreFile("counting://bucket/b/c.dcm", stores)
    index = open_source(file)
    index.read(1)
    assert [one["secret"] for one in system.made] == [SECRET]
    for text in (repr(stores), repr(file), repr(index), str(file), file.name, file.address):
        assert SECRET not in text
    with pytest.raises(TypeError, match="credentials"):
        pickle.dumps(index)


def test_credentials_in_an_address_are_in_no_message() -> None:
    file = StoreFile(f"counting://me:{SECRET}@host/a.dcm", Stores())
    register()
    with pytest.raises(ImageLoadError) as caught, file.opened():
        pass
    assert SECRET not in str(caught.value)


def test_a_file_without_a_size_is_refused() -> None:
    with pytest.raises(FetchError, match="how long"):
        version_of("x", {"type": "file", "size": None})
    assert version_of("x", {"size": 3, "ETag": "b"}).tag == "b"
    assert storage.Stores().options_for("s3://a") == {}
