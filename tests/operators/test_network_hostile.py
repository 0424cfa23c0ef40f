"""Every parser of what a server says, on any bytes and texts: a typed error or a result that can be relied on."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from time import process_time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import (
    FetchError,
    HttpStatusError,
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.limits import Limits
from cornerstream.operators.content_encoding import PIECE_BYTES, Inflater
from cornerstream.operators.content_types import MEDIA_TYPES, transfer_syntax_of
from cornerstream.operators.http_rules import (
    describe,
    origin_of,
    parse_retry_after,
    parse_url,
    redirect_target,
    status_error,
    take_credentials,
)
from cornerstream.operators.media_types import parse_content_type
from cornerstream.operators.multipart import boundary_of
from cornerstream.operators.parts import parse_headers

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = [
    "multipart/related",
    "image/jp2",
    ";",
    "=",
    '"',
    "\\",
    " ",
    "\t",
    "boundary",
    "transfer-syntax",
    "1.2.840",
    ",",
    "\r\n",
    "ä",
    "\0",
]
fields = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=15).map("".join)
urls = st.text(max_size=30) | st.lists(
    st.sampled_from(["http:", "https:", "file:", "//", "h", "me:pw@", "[::1]", ":", "80", "99999", "/", "..", "?", "#", "%", "%2f", "ä", " ", "\\", "@", "\0"]),
    max_size=10,
).map("".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(fields)
def test_any_content_type(field: str) -> None:
    try:
        parsed = parse_content_type(field)
    except SplitError:
        with pytest.raises(SplitError):
            boundary_of(field)
        return
    assert parsed.media_type == parsed.media_type.lower()
    assert parsed.media_type.count("/") == 1
    with suppress(SplitError):
        boundary = boundary_of(field)
        assert (boundary is None) == (not parsed.media_type.startswith("multipart/"))
        assert boundary is None or (1 <= len(boundary) <= 70 and boundary.isascii())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["multipart/related", "image/jp2"]), st.text('ab1.=_/ ()?;"\\,<>@:', max_size=20).map(str.strip))
def test_a_quoted_parameter_is_what_the_standard_library_reads(kind: str, value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    message = Message()
    message["Content-Type"] = text = f'{kind}; type="x"; boundary="{quoted}"'
    assert parse_content_type(text).parameters["boundary"] == message.get_param("boundary") == value


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*MEDIA_TYPES, "application/octet-stream", "text/html", ""]) | fields,
    st.sampled_from(["", "*", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1", "1.2", "\0"]),
    st.sampled_from(["", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2", "x"]),
    st.binary(max_size=40) | st.sampled_from([b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51", b"\xff\n", b"\1" + bytes(63)]),
    st.none() | st.integers(0, 70),
)
def test_any_part_has_one_transfer_syntax_or_none(
    kind: str, named: str, stored: str, data: bytes, native: int | None
) -> None:
    try:
        found = transfer_syntax_of(f"{kind}; transfer-syntax={named}" if named else kind, stored, data, native)
    except UnsupportedTransferSyntaxError:
        return
    assert found
    assert found in {named, stored, "1.2.840.10008.1.2.1"} | {uid for family in MEDIA_TYPES.values() for uid in family}


@settings(max_examples=200, deadline=None)
@given(urls)
@example("//[]@")
@example("http://[]/")
def test_any_url(text: str) -> None:
    try:
        url = parse_url(text)
    except FetchError:
        return
    assert str(url) == text
    assert url.scheme in {"http", "https"}
    bare, own = take_credentials(url)
    assert not bare.user
    assert "@" not in origin_of(url)
    assert "pw" not in describe(url) or "me:pw@" not in text.partition("//")[2].partition("/")[0]
    assert own == {} or list(own) == ["Authorization"]


@settings(max_examples=200, deadline=None)
@given(urls, st.booleans())
@example("//[]@", True)
def test_any_location(location: str, cross: bool) -> None:
    """Never another scheme; never another origin unless it is allowed; else what the standard library makes of it."""
    url = parse_url("http://h/a/b?c")
    try:
        target = redirect_target(url, 302, location, cross_origin=cross)
    except (FetchError, HttpStatusError):
        return
    assert target.scheme in {"http", "https"}
    assert cross or origin_of(target) == "http://h"
    assert urlsplit(str(target)).hostname == urlsplit(urljoin(str(url), location.strip())).hostname


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30) | st.text("0123456789 :,+-GMTonJanTue", max_size=40) | st.integers(0, 10**50).map(str))
def test_any_retry_after(text: str) -> None:
    found = parse_retry_after(text, datetime(2026, 1, 1, tzinfo=UTC))
    assert found is None or found >= 0
    assert status_error(parse_url("http://h/"), 503, text).status == 503


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from([b"X", b":", b" ", b"\r\n", b"\n", b"\t", b"Content-Type", b"\xff", b"\0"])).map(
        b"".join
    )
)
def test_any_header_of_a_part(block: bytes) -> None:
    with suppress(SplitError, LimitError):
        found = parse_headers(block, Limits(part_headers=5))
        assert len(found) <= 5
        for name, value in found.items():
            assert name == name.lower() == name.strip()
            assert not set(value) & set("\r\n\0")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["gzip", "deflate", "x-gzip", " GZIP "]), st.binary(max_size=60), st.integers(1, 9))
def test_any_coded_bytes(coding: str, body: bytes, size: int) -> None:
    inflater = Inflater(coding)
    with suppress(SplitError, TruncatedError):
        for at in range(0, len(body), size):
            assert all(0 < len(piece) <= PIECE_BYTES for piece in inflater.inflate(body[at : at + size]))
        inflater.close()


@pytest.mark.parametrize(
    "parse",
    [
        lambda: parse_content_type("a/b" + "; " * 100_000),
        lambda: parse_content_type("a/b;" + " " * 100_000 + "x"),
        lambda: parse_content_type('a/b; c="' + "\\" * 100_001),
        lambda: parse_content_type('a/b; c="' + '\\"' * 100_000),
        lambda: parse_content_type("a/b; " + "c" * 100_000),
        lambda: parse_content_type("a/b" + "".join(f"; c{n}=d" for n in range(20_000))),
        lambda: parse_content_type(" " * 100_000 + "x"),
        lambda: parse_url("http://" + "a" * 100_000 + "@" * 1000 + "/"),
        lambda: parse_url("http://h/" + "%" * 100_000),
        lambda: parse_retry_after("," * 100_000),
        lambda: parse_retry_after("(" * 100_000),
        lambda: parse_headers(b"X: " + b" " * 100_000 + b"\0"),
        lambda: parse_headers(b"X" * 100_000),
        lambda: parse_headers(b"X" + b" " * 100_000),
        lambda: describe(parse_url("http://h/?" + "token" * 20_000)),
        lambda: describe(parse_url("http://h/?" + "&token=" * 20_000)),
    ],
    ids=range(16),
)
def test_a_hundred_thousand_characters_take_bounded_time(parse: Callable[[], object]) -> None:
    seconds = []
    for _ in range(2):
        begin = process_time()
        with suppress(ImageLoadError):
            parse()
        seconds.append(process_time() - begin)
    assert min(seconds) < 0.5
