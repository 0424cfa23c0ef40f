"""Addresses of stores and archives, and image ids that hold them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import ImageIdError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.local_file import LocalFile, path_of
from cornerstream.operators.sources import source_at
from cornerstream.operators.storage import Stores, checked_address
from cornerstream.operators.storage_address import (
    ArchiveAddress,
    in_archive,
    is_url,
    member_address,
    store_address,
    store_url,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
FRAMES = st.none() | st.integers(1, 2**31 - 1)


def through_an_image_id(address: str, frame_number: int | None) -> str:
    """The address that an image id has which was written down and read again."""
    image_id = ImageId("dicomfile", address, frame_number)
    read = ImageId.parse(str(image_id))
    assert read == image_id
    assert read.frame_number == frame_number
    assert str(read) == str(image_id)
    return read.address


@given(NAMES, NAMES, FRAMES)
@settings(max_examples=150, deadline=None)
def test_members_of_local_archives_survive_image_ids(member: str, folder: str, frame_number: int | None) -> None:
    archive = LocalFile(f"/{folder}/x.zip")
    address = through_an_image_id(member_address(archive.address, member), frame_number)
    found = in_archive(address)
    assert found is not None
    assert found.member == member
    assert path_of(found.archive) == archive.path


@given(NAMES, NAMES, FRAMES)
@settings(max_examples=150, deadline=None)
def test_files_of_stores_survive_image_ids(name: str, member: str, frame_number: int | None) -> None:
    address = through_an_image_id(store_address(f"s3://bucket/{name}"), frame_number)
    assert store_url(address) == f"s3://bucket/{name}"
    found = in_archive(through_an_image_id(member_address("gs://b/c.zip", member), frame_number))
    assert found == ArchiveAddress("gs://b/c.zip", member)


@given(NAMES, FRAMES)
@example(name="?/", frame_number=None)
@settings(max_examples=100, deadline=None)
def test_local_paths_survive_image_ids(name: str, frame_number: int | None) -> None:
    file = LocalFile(f"/{name}/a")
    assert path_of(through_an_image_id(file.address, frame_number)) == file.path


@pytest.mark.parametrize(
    ("text", "address", "frame_number"),
    [
        ("dicomfile:s3://bucket/ct.dcm?frame=3", "s3://bucket/ct.dcm", 3),
        ("dicomfile:s3://bucket/ct.dcm?versionId=ab&frame=3", "s3://bucket/ct.dcm?versionId=ab", 3),
        ("dicomfile:zip://member.dcm::file.zip?frame=2", "zip://member.dcm::file.zip", 2),
        ("dicomfile:zip://a/frames/7::s3://b/frames/9", "zip://a/frames/7::s3://b/frames/9", None),
    ],
)
def test_frames_of_them(text: str, address: str, frame_number: int | None) -> None:
    image_id = ImageId.parse(text)
    assert (image_id.address, image_id.frame_number, str(image_id)) == (address, frame_number, text)


def test_the_query_of_a_store_is_its_own() -> None:
    assert store_url("s3://b/a%3Fb.dcm?versionId=%41") == "s3://b/a?b.dcm?versionId=%41"


@pytest.mark.parametrize(
    "address", ["http://a/b.dcm", "https://a/b.dcm", "simplecache::https://a/b.dcm", "zip://a::zip://b::/c.zip"]
)
def test_what_is_no_store_is_refused(address: str) -> None:
    archived = in_archive(address)
    with pytest.raises(ImageIdError):
        source_at(archived.archive if archived else address, Stores())


def test_paths_are_no_urls_of_stores() -> None:
    assert isinstance(source_at("/a/b.dcm", Stores()), LocalFile)
    assert isinstance(source_at("file:///a/b.dcm", Stores()), LocalFile)
    assert not is_url("C:/a.dcm")
    assert not is_url("a/s3://b")
    with pytest.raises(ImageIdError, match="not the URL"):
        checked_address("/a/b.dcm")
