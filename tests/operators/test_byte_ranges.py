from __future__ import annotations

import pytest

from cornerstream.operators.byte_ranges import (
    RangeRefusedError,
    RemoteVersion,
    check_partial,
    is_partial,
    parse_content_range,
    range_field,
    version_of_answer,
)
from tests.support.ranged import Answer, RangedResponse, RangedServer

HONEST = Answer(206, {"ETag": '"a"', "Content-Range": "bytes 0-499/1234"}, b"", 500)
SEEN = RemoteVersion(1234, '"a"')


def response(answer: Answer) -> RangedResponse:
    return RangedResponse(RangedServer(b""), answer, holds=False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [  # RFC 9110, section 14.4
        ("bytes 42-1233/1234", (range(42, 1234), 1234)),
        ("bytes 0-499/1234", (range(500), 1234)),
        ("bytes 734-1233/1234", (range(734, 1234), 1234)),
        ("BYTES 0-0/1", (range(1), 1)),
        ("bytes 42-1233/*", None),
        ("bytes */1234", None),
        ("bytes 1-0/1234", None),
        ("bytes 0-1234/1234", None),
        ("bytes=0-1/2", None),
        ("bytes 0-1/2, bytes 4-5/9", None),
        ("lines 0-1/2", None),
        ("bytes -1-1/2", None),
        ("", None),
        (None, None),
    ],
)
def test_content_range(text: str | None, wanted: tuple[range, int] | None) -> None:
    assert parse_content_range(text) == wanted


def test_range_field() -> None:
    assert range_field(range(500, 1000)) == "bytes=500-999"  # RFC 9110, section 14.1.2


DAY = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({"ETag": '"xyzzy"'}, '"xyzzy"'),
        ({"ETag": '""'}, '""'),
        ({"ETag": 'W/"xyzzy"'}, None),
        ({"ETag": "xyzzy"}, None),
        ({"ETag": 'W/"x"', "Last-Modified": DAY, "Date": "Sun, 06 Nov 1994 08:49:38 GMT"}, None),
        ({"Last-Modified": DAY, "Date": "Sun, 06 Nov 1994 08:49:38 GMT"}, DAY),
        ({"Last-Modified": DAY, "Date": DAY}, None),
        ({"Last-Modified": DAY}, None),
        ({"Last-Modified": "yesterday", "Date": DAY}, None),
        ({}, None),
    ],
)
def test_only_strong_validators_count(fields: dict[str, str], validator: str | None) -> None:
    wanted = None if validator is None else RemoteVersion(10, validator)
    assert version_of_answer(fields, 10) == wanted


def test_what_was_asked_for_is_believed() -> None:
    assert check_partial(response(HONEST), range(500)) == SEEN
    assert check_partial(response(HONEST), range(500), SEEN) == SEEN
    short = HONEST.but(Content_Range="bytes 1000-1233/1234")
    assert check_partial(response(Answer(206, short.headers, b"")), range(1000, 2000)) == SEEN


@pytest.mark.parametrize(
    ("answer", "lasting"),
    [
        (HONEST.but(Content_Range="bytes 1-500/1234"), True),
        (HONEST.but(Content_Range="bytes 0-498/1234"), True),
        (HONEST.but(Content_Range="bytes 0-500/1234"), True),
        (HONEST.but(Content_Range="bytes 0-499/*"), True),
        (HONEST.but(Content_Range="bytes 0-499/1235"), False),
        (HONEST.but(ETag='"b"'), False),
        (HONEST.but(ETag='W/"a"'), True),
        (HONEST.but(Content_Type="multipart/byteranges; boundary=THIS_STRING_SEPARATES"), True),
        (HONEST.but(Content_Encoding="gzip"), True),
        (Answer(206, HONEST.headers, b"", 499), True),
        (Answer(206, {"ETag": '"a"'}, b"", 500), True),
    ],
)
def test_anything_else_is_not(answer: Answer, lasting: bool) -> None:
    with pytest.raises(RangeRefusedError) as caught:
        check_partial(response(answer), range(500), SEEN)
    assert caught.value.lasting is lasting


def test_only_a_206_is_partial() -> None:
    assert is_partial(response(HONEST))
    assert not is_partial(response(HONEST.but(200)))
    assert not is_partial(object())  # type: ignore[arg-type]  # a transport that knows nothing of ranges
