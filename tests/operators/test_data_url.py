"""`data:` URLs: every way to write the same bytes, and nothing else."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from urllib.parse import quote, unquote_to_bytes
from urllib.request import urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import ImageIdError, LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.data_url import open_data_url, parse_data_url
from cornerstream.operators.frame_index import FrameIndex
from cornerstream.operators.web_image import WebFile
from tests.support.file_bytes import dicom_bytes, png_bytes


def parsed(address: str, **limits: int) -> tuple[str, bytes]:
    url = parse_data_url(address, replace(DEFAULT_LIMITS, **limits))
    return url.content_type, url.data


@settings(max_examples=150)
@given(st.binary(max_size=60), st.sampled_from(["", "image/png", "image/png;name=a", ";charset=utf-8"]))
def test_bytes_come_out_as_they_went_in(data: bytes, head: str) -> None:
    said = "" if head.startswith(";") else head
    encoded = base64.b64encode(data).decode()
    spaced = "\n".join(encoded[at : at + 7] for at in range(0, len(encoded), 7))
    for address in (
        f"{head};base64,{encoded}",
        f"{head};BASE64,{encoded.rstrip('=')}",
        f"{head}; base64,{quote(encoded, safe='')}",
        f"{head};base64, {spaced} \r\n\t",
        f"{head},{quote(data)}",
        f"{head},{quote(data, safe='')}",
    ):
        assert parsed(address) == (said, data)
    with urlopen(f"data:{head};base64,{encoded}") as answer:  # the standard library's reading of RFC 2397
        assert answer.read() == data
    with urlopen(f"data:{head},{quote(data)}") as answer:
        assert answer.read() == data


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("AZaz09+/=-_ \n%2B4#é,"), max_size=12))
def test_base64_is_read_strictly(text: str) -> None:
    """What is accepted is what the standard library's strict decoder makes of it."""
    try:
        _, data = parsed(f";base64,{text}")
    except ImageIdError:
        return
    letters = unquote_to_bytes(text).translate(None, b" \t\n\r\f")
    assert data == binascii.a2b_base64(letters + b"=" * (-len(letters) % 4), strict_mode=True)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("image/png;base64", "no comma"),
        ("iVBORw0KGgo=", "no comma"),
        (";base64,a", "not base64"),
        (";base64,ab=c", "not base64"),
        (";base64,abc==", "not base64"),
        (";base64,ab_-", "base64url"),
        (";base64,ab*d", "not base64"),
        (";base64,abcé", "'é'"),
        (";base64,ab%c", "percent-encoded: '%c'"),
        (",%zz", "percent-encoded: '%zz'"),
        (",50%", "percent-encoded: '%'"),
        (",a#b", "write it as %23"),
    ],
)
def test_what_is_none(address: str, message: str) -> None:
    with pytest.raises(ImageIdError, match=message):
        parsed(address)


@pytest.mark.parametrize("address", [";base64,QUJDREU=", ";base64,QUJ\nDREU", ",ABCDE", ",%41%42CDE"])
def test_bytes_are_counted(address: str) -> None:
    assert parsed(address, response_bytes=6)[1] == b"ABCDE"
    with pytest.raises(LimitError, match="response_bytes=4"):
        parsed(address, response_bytes=4)


@pytest.mark.parametrize("said", ["", "image/png", "IMAGE/PNG;name=x", "application/octet-stream", ";charset=utf-8"])
def test_a_picture_is_told_by_its_bytes(said: str) -> None:
    found = open_data_url(f"{said};base64,{base64.b64encode(png_bytes()).decode()}", DEFAULT_LIMITS)
    assert isinstance(found, WebFile)
    assert found.format == "PNG"


@pytest.mark.parametrize("said", ["", "application/dicom", "application/octet-stream", "application/dicom;a=b"])
def test_dicom_is_told_by_its_bytes(said: str) -> None:
    found = open_data_url(f"{said},{quote(dicom_bytes())}", DEFAULT_LIMITS)
    assert isinstance(found, FrameIndex)
    assert found.read(1).metadata.rows == 128


@pytest.mark.parametrize(
    ("said", "data", "message"),
    [
        ("image/jpeg", png_bytes(), "one of them is wrong"),
        ("application/dicom", png_bytes(), "DICOM"),
        ("image/png", dicom_bytes(), "image/png, the bytes are DICOM"),
        ("text/plain", dicom_bytes(), "text/plain, the bytes are DICOM"),
        ("text/plain", b"some text", "no picture"),
        ("", b"some text", "no picture"),
        ("png", png_bytes(), "not a Content-Type"),
    ],
)
def test_a_media_type_that_the_bytes_contradict(said: str, data: bytes, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        open_data_url(f"{said},{quote(data)}", DEFAULT_LIMITS)


def test_dicom_without_a_preamble_needs_its_media_type() -> None:
    bare = dicom_bytes()[132:]
    assert isinstance(open_data_url(f"application/dicom,{quote(bare)}", DEFAULT_LIMITS), FrameIndex)
    with pytest.raises(SplitError, match="no picture"):
        open_data_url(f",{quote(bare)}", DEFAULT_LIMITS)
