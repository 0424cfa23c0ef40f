"""What a file is: by its bytes; a Content-Type may say nothing, or the same, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pydicom.data
import pytest

from cornerstream.images.errors import ImageIdError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.web_address import web_address
from cornerstream.operators.web_exif import read_orientation
from cornerstream.operators.web_format import FORMATS, is_picture, sniff
from tests.support.pictures import exif, noise, saved

FILES = Path(pydicom.data.__file__).parent / "test_files"
BODIES = {
    form: saved(noise((4, 4, 3)), name)
    for form, name in {
        "PNG": "PNG",
        "JPEG": "JPEG",
        "JPEG 2000": "JPEG2000",
        "TIFF": "TIFF",
        "WebP": "WEBP",
        "GIF": "GIF",
        "BMP": "BMP",
    }.items()
}


def test_every_format_is_known_by_its_bytes() -> None:
    assert {one.name for one in FORMATS} == set(BODIES)
    assert [sniff(body).name for body in BODIES.values()] == list(BODIES)
    assert all(is_picture(body[:132]) for body in BODIES.values())


@pytest.mark.parametrize("form", BODIES)
def test_content_types_that_agree_or_say_nothing(form: str) -> None:
    own = next(one for one in FORMATS if one.name == form).media_types
    for content_type in (*own, "", "application/octet-stream", "binary/octet-stream", f"{min(own).upper()}; q=1"):
        assert sniff(BODIES[form], content_type).name == form


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/html; charset=utf-8", "application/dicom", "image/gif"])
def test_a_content_type_that_says_something_else(content_type: str) -> None:
    with pytest.raises(SplitError, match=f"says {content_type.partition(';')[0]}, the bytes are PNG"):
        sniff(BODIES["PNG"], content_type)


def test_a_content_type_that_is_none() -> None:
    with pytest.raises(SplitError, match="not a Content-Type"):
        sniff(BODIES["PNG"], "png")


@pytest.mark.parametrize("content_type", ["", "application/dicom", "image/png"])
def test_dicom_is_told_where_to_go(content_type: str) -> None:
    body = (FILES / "CT_small.dcm").read_bytes()
    with pytest.raises(SplitError, match=r"DICOM.*wadouri:.*dicomfile:"):
        sniff(body, content_type)
    assert not is_picture(body[:132])


def test_a_dicom_file_with_a_tiff_in_its_preamble_is_dicom() -> None:
    """PS3.10 section 7.1: the preamble may make it readable by other programs."""
    body = b"II*\0" + bytes(124) + b"DICM"
    assert not is_picture(body)
    with pytest.raises(SplitError, match="DICOM"):
        sniff(body)


@pytest.mark.parametrize("body", [b"", b"\x89", b"\x89PNG\r\n\x1a", b"\xff", b"RIF", b"II", b"GIF8"])
def test_less_than_a_signature_is_cut(body: bytes) -> None:
    with pytest.raises(TruncatedError, match="signature"):
        sniff(body)


def test_what_is_no_picture_shows_how_it_begins() -> None:
    with pytest.raises(SplitError, match=r"PNG, JPEG, .*<!DOCTYPE html.*Content-Type 'text/html'"):
        sniff(b"<!DOCTYPE html><title>Sign in</title>", "text/html")


@pytest.mark.parametrize(
    ("data", "orientation"),
    [
        (exif(6), 6),
        (exif(8, big=True), 8),
        (b"Exif\0\0" + exif(3), 3),
        (exif(9), 1),
        (exif(0), 1),
        (b"", 1),
        (b"II*\0", 1),
        (exif(6)[:20], 1),
        (b"II*\0\xff\xff\xff\xff", 1),
        (b"nonsense" * 9, 1),
    ],
)
def test_orientation_of_exif(data: bytes, orientation: int) -> None:
    assert read_orientation(data) == orientation


@pytest.mark.parametrize(
    ("image_id", "url", "path"),
    [
        ("http://host/a.png", "http://host/a.png", ""),
        ("https://host:8/a.tif?x=1&frame=3&y=2", "https://host:8/a.tif?x=1&y=2", ""),
        ("https://host/render?%66rame=5", "https://host/render?%66rame=5", ""),
        ("https://host/frames/3", "https://host/frames/3", ""),
        ("web:https://host/a.png", "https://host/a.png", ""),
        ("web:HTTP://host/a.png", "HTTP://host/a.png", ""),
        ("web:/a b/c.png", "", "/a b/c.png"),
        ("web:/a/b.tif?frame=2", "", "/a/b.tif"),
        ("web:file:///a%20b.png", "", "/a b.png"),
        ("file:///a%20b.png", "", "/a b.png"),
        ("file://localhost/a.png", "", "/a.png"),
        ("file:/a.png", "", "/a.png"),
    ],
)
def test_where_an_image_id_points(image_id: str, url: str, path: str) -> None:
    parsed = ImageId.parse(image_id)
    address = web_address(parsed)
    assert (address.url, address.path) == (url, path)
    assert str(parsed) == image_id
    assert ImageId.parse(str(parsed.with_frame(4))) == parsed.with_frame(4)
    assert web_address(parsed.with_frame(4)) == address


def test_a_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert web_address(ImageId.parse("web:a.png")).path == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("image_id", "message"),
    [
        ("http:host/a.png", "not a URL"),
        ("https:///a.png", "not a URL"),
        ("web:ftp://host/a.png", "ftp: URLs"),
        ("file://elsewhere/a.png", "not a local file"),
        ("file:a.png", "not a local file"),
        ("file:///a.png?size=3", "no query"),
        ("file:///a.png#x", "no query"),
    ],
)
def test_where_none_points(image_id: str, message: str) -> None:
    with pytest.raises(ImageIdError, match=message) as caught:
        web_address(ImageId.parse(image_id))
    assert caught.value.image_id == ImageId.parse(image_id)
