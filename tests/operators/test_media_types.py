from __future__ import annotations

from email.message import Message
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import SplitError
from cornerstream.operators.media_types import media_type, parse_content_type


@pytest.mark.parametrize(
    ("text", "kind", "parameters"),
    [
        ("image/jp2", "image/jp2", {}),
        (" Image/JP2 ; ", "image/jp2", {}),
        ('a/b;c=d; E="f;g"', "a/b", {"c": "d", "e": "f;g"}),
        (r'a/b; c="\"\\"', "a/b", {"c": '"\\'}),
        ("a/b; c=----=_x y(1)/? ; d=", "a/b", {"c": "----=_x y(1)/?", "d": ""}),
        ("a/b;;c=d;c=d", "a/b", {"c": "d"}),
        ('a/b; c = "d"', "a/b", {"c": "d"}),
    ],
)
def test_content_types(text: str, kind: str, parameters: dict[str, str]) -> None:
    parsed = parse_content_type(text)
    assert (parsed.media_type, parsed.parameters, media_type(text)) == (kind, parameters, kind)


@pytest.mark.parametrize(
    "text", ["", " ", "image", "image/", "/jp2", "a/b c", 'a/b; c="d', 'a/b; c="d"e', "a/b; c", "a/b;c=d;C=e"]
)
def test_malformed_content_types(text: str) -> None:
    with pytest.raises(SplitError):
        parse_content_type(text)


@pytest.mark.parametrize("head", ["a/b;", "a/b; c", "a/b; c=", 'a/b; c="d"'])
def test_long_white_space_takes_no_time_to_speak_of(head: str) -> None:
    began = process_time()
    with pytest.raises(SplitError):
        parse_content_type(head + " " * 50_000 + '"')
    assert process_time() - began < 2


@given(
    st.dictionaries(
        st.sampled_from(["boundary", "type", "transfer-syntax"]),
        st.text("ab1.=_/ ()?;", min_size=1).map(str.strip),
        min_size=1,
    )
)
def test_the_standard_library_reads_the_same(parameters: dict[str, str]) -> None:
    text = "multipart/related" + "".join(f'; {name}="{value}"' for name, value in parameters.items())
    message = Message()
    message["Content-Type"] = text
    parsed = parse_content_type(text)
    assert parsed.parameters == {name: message.get_param(name) for name in parameters} == parameters
