from __future__ import annotations

from dataclasses import replace

import pytest

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.parts import Part, PartBody, parse_headers


def test_headers_are_read() -> None:
    block = b"Content-Type:image/jls\r\nX-A : 1 \r\nx-a: 2\r\nLong: a\r\n\t b\r\n  c\r\nLatin: \xe4\r\nEmpty:"
    assert parse_headers(block) == {
        "content-type": "image/jls", "x-a": "1, 2", "long": "a b c", "latin": "ä", "empty": "",
    }  # fmt: skip
    assert parse_headers(b"") == {}


@pytest.mark.parametrize(
    "block", [b"a", b": 1", b"a\x00: 1", b"a: \x00", b"a: 1\rb: 2", b" a: 1", b"content-length: 1\r\nContent-Length: 1"]
)
def test_headers_that_are_none(block: bytes) -> None:
    with pytest.raises(SplitError):
        parse_headers(block)


def test_header_lines_are_counted() -> None:
    with pytest.raises(LimitError, match="part_headers=1"):
        parse_headers(b"a: 1\r\nb: 2", replace(DEFAULT_LIMITS, part_headers=1))


@pytest.mark.parametrize("pieces", [[], [b"abc"], [b"a", b"bc"], [b"", b"a", b"", b"b", b"c"]])
def test_a_body_is_what_was_written(pieces: list[bytes]) -> None:
    body = PartBody({"content-length": str(sum(map(len, pieces)))}, DEFAULT_LIMITS)
    for piece in pieces:
        body.write(b"<" + piece + b">", 1, 1 + len(piece))
    assert body.close() == b"".join(pieces)


def test_a_body_keeps_to_its_length() -> None:
    with pytest.raises(TruncatedError):
        PartBody({"content-length": "1"}, DEFAULT_LIMITS).close()
    with pytest.raises(SplitError):
        PartBody({"content-length": "1"}, DEFAULT_LIMITS).write(b"ab")
    with pytest.raises(LimitError):
        PartBody({"content-length": "9" * 30}, DEFAULT_LIMITS)
    with pytest.raises(SplitError):
        PartBody({"content-length": "1, 1"}, DEFAULT_LIMITS)


def test_content_type_of_a_part() -> None:
    assert Part({"content-type": "a/b"}, b"").content_type == "a/b"
    assert Part({}, b"").content_type == ""
