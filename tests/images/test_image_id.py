"""Image ids: what is parsed is printed, what is printed is parsed, and nothing is guessed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from cornerstream.images.errors import ImageIdError
from cornerstream.images.image_id import ImageId

SCHEMES = st.from_regex(r"[A-Za-z][A-Za-z0-9+.-]{1,8}", fullmatch=True) | st.sampled_from(
    ["wadors", "wadouri", "dicomfile", "DICOMFILE"]
)
PIECES = ["/", "?", "&", "=", "frame=", "frames", "/frames/", "1", "12", "0", "a", "#", "%3F", "//host", ":", "é", " "]
ADDRESSES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=10).map("".join)
NUMBERS = st.none() | st.integers(1, 2**31 - 1)


@settings(max_examples=400)
@given(SCHEMES, ADDRESSES)
@example("wadors", "a?&frame=3")
@example("wadors", "a/frames/2/frames/1")
@example("wadors", "/frames/2")
def test_parsed_text_is_printed_as_it_was(scheme: str, address: str) -> None:
    text = f"{scheme}:{address}"
    try:
        image_id = ImageId.parse(text)
    except ImageIdError as error:
        assert error.image_id == text  # noqa: PT017 - either it parses, or the error names it
        return
    assert str(image_id) == text
    rebuilt = ImageId(image_id.scheme, image_id.address, image_id.frame_number, image_id.in_path)
    assert ImageId.parse(str(rebuilt)) == image_id
    assert hash(rebuilt) == hash(image_id)


@settings(max_examples=400)
@given(SCHEMES, ADDRESSES, NUMBERS, st.booleans())
@example("wadors", "a?", 3, False)
@example("wadouri", "a/frames/7", 3, True)
def test_printed_id_is_parsed_as_it_was(scheme: str, address: str, number: int | None, in_path: bool) -> None:
    try:
        image_id = ImageId(scheme, address, number, in_path)
    except ImageIdError:
        reject()
    parsed = ImageId.parse(str(image_id))
    assert parsed == image_id
    assert (parsed.scheme, parsed.address, parsed.frame_number) == (scheme.lower(), address, number)


@pytest.mark.parametrize(
    ("text", "scheme", "address", "number"),
    [
        ("wadors:https://p/s/1/frames/7", "wadors", "https://p/s/1", 7),
        ("wadors:https://p/s/1/frames/7/", "wadors", "https://p/s/1", 7),
        ("wadors:https://p/s/1/frames/7?accept=x&b=1", "wadors", "https://p/s/1?accept=x&b=1", 7),
        ("wadors:https://p/s/1/frames/7/rendered", "wadors", "https://p/s/1/frames/7/rendered", None),
        ("WADORS:https://p/s/1?frame=2", "wadors", "https://p/s/1", 2),
        ("wadouri:https://p/w?c=3&frame=2&a=1&b=2", "wadouri", "https://p/w?c=3&a=1&b=2", 2),
        ("wadouri:https://p/w?frame=2&a=1&a=2", "wadouri", "https://p/w?a=1&a=2", 2),
        ("wadouri:https://p/w?frameNumber=5&a=1", "wadouri", "https://p/w?frameNumber=5&a=1", None),
        ("wadouri:https://p/w?x=%26frame%3D3&y=a%2Fb+c", "wadouri", "https://p/w?x=%26frame%3D3&y=a%2Fb+c", None),
        ("wadouri:https://p/frames/a.dcm", "wadouri", "https://p/frames/a.dcm", None),
        ("dicomfile:/data/frames/3", "dicomfile", "/data/frames/3", None),
        ("dicomfile:/data/a b.dcm?frame=2", "dicomfile", "/data/a b.dcm", 2),
        ("dicomfile:/data/a#1.dcm?frame=2", "dicomfile", "/data/a#1.dcm", 2),
        (r"dicomfile:C:\data\a.dcm?frame=2", "dicomfile", r"C:\data\a.dcm", 2),
        ("file:///C:/data/a.dcm", "file", "///C:/data/a.dcm", None),
        ("dicomfile:file:///C:/data/a.dcm?frame=2", "dicomfile", "file:///C:/data/a.dcm", 2),
        ("x:a?frame=007", "x", "a", 7),
        ("x:a?frame=" + "0" * 30 + "7", "x", "a", 7),
        ("x:a?frame=2147483647", "x", "a", 2147483647),
    ],
)
def test_parts(text: str, scheme: str, address: str, number: int | None) -> None:
    image_id = ImageId.parse(text)
    assert (image_id.scheme, image_id.address, image_id.frame_number) == (scheme, address, number)
    assert str(image_id) == text


@pytest.mark.parametrize(
    "number", ["0", "-1", "+1", "abc", "1e9999", "1.0", " 1", "", "٣", "²", "1,2", "1-3", "2147483648"]
)
@pytest.mark.parametrize(
    "form", ["wadors:https://p/i/1/frames/{}", "wadouri:https://p/w?frame={}", "x:a?b=1&frame={}&c"]
)
def test_bad_frame_numbers(form: str, number: str) -> None:
    text = form.format(number)
    with pytest.raises(ImageIdError, match="count from 1") as caught:
        ImageId.parse(text)
    assert caught.value.image_id == text
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    "text", ["x:a?frame=1&frame=2", "x:a/frames/1?frame=1", "x:a/frames/1/frames/2", "x:a?frame=1&frame=1"]
)
def test_two_selectors(text: str) -> None:
    with pytest.raises(ImageIdError, match="frame"):
        ImageId.parse(text)


@pytest.mark.parametrize(
    "text", ["", "a", ":", "x:", ":a", "1x:a", "a b:c", "/data/a.dcm", "xy:?frame=1", "xy:/frames/1", "é:a"]
)
def test_no_image_id(text: str) -> None:
    with pytest.raises(ImageIdError, match=r"reads \w+:address"):
        ImageId.parse(text)


@pytest.mark.parametrize("text", [r"C:\data\a.dcm", "c:/data/a.dcm"])
def test_windows_path_says_what_to_write(text: str) -> None:
    with pytest.raises(ImageIdError, match="dicomfile:"):
        ImageId.parse(text)
    assert ImageId.parse(f"dicomfile:{text}").address == text


def test_spellings_of_one_frame_are_equal() -> None:
    spellings = ["wadors:https://p/i/1/frames/3", "wadors:https://p/i/1?frame=3", "WadoRS:https://p/i/1/frames/03"]
    assert len({ImageId.parse(text) for text in spellings}) == 1
    first = ["wadors:https://p/i/1", "wadors:https://p/i/1/frames/1", "wadors:https://p/i/1?frame=1"]
    assert len({ImageId.parse(text) for text in first}) == 1
    others = ["wadors:https://p/i/1?frame=2", "wadouri:https://p/i/1?frame=3", "wadors:https://p/i/2?frame=3"]
    assert ImageId.parse(spellings[0]) not in {ImageId.parse(text) for text in others}
    assert ImageId.parse("x:a") != "x:a"


def test_parsing_an_image_id_returns_it() -> None:
    image_id = ImageId.parse("x:a")
    assert ImageId.parse(image_id) is image_id


def test_frame_number_and_index() -> None:
    assert [(i.number, i.frame_index) for i in map(ImageId.parse, ["x:a", "x:a?frame=1", "x:a?frame=5"])] == [
        (1, 0),
        (1, 0),
        (5, 4),
    ]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("wadors:https://p/i/1/frames/3?a=1", "wadors:https://p/i/1/frames/9?a=1"),
        ("wadouri:https://p/w?frame=3&a=1", "wadouri:https://p/w?a=1&frame=9"),
        ("dicomfile:/data/a.dcm", "dicomfile:/data/a.dcm?frame=9"),
    ],
)
def test_another_frame(text: str, printed: str) -> None:
    other = ImageId.parse(text).with_frame(9)
    assert str(other) == printed
    assert ImageId.parse(printed) == other


@pytest.mark.parametrize("number", [0, -1, 2**31])
def test_bad_frame_numbers_of_parts(number: int) -> None:
    with pytest.raises(ImageIdError, match="out of range"):
        ImageId("x", "a", number)
    with pytest.raises(ImageIdError, match="out of range"):
        ImageId.parse("x:a").with_frame(number)


def test_address_of_parts_names_no_frame() -> None:
    with pytest.raises(ImageIdError, match=r"ImageId\.parse"):
        ImageId("wadors", "https://p/i/1/frames/3", 2)


def test_bad_scheme_of_parts() -> None:
    with pytest.raises(ImageIdError, match="not a URL scheme"):
        ImageId("a b", "c")


def test_pickles() -> None:
    image_id = ImageId.parse("wadors:https://p/i/1/frames/3")
    copy = pickle.loads(pickle.dumps(image_id))
    assert copy == image_id
    assert str(copy) == str(image_id)


def test_its_hash_does_not_travel_to_another_process() -> None:
    image_id = ImageId.parse("wadouri:https://pacs/wado?objectUID=1.2&frame=3")
    program = (
        "import pickle, sys; from cornerstream.images.image_id import ImageId; found = pickle.load(sys.stdin.buffer); "
        "same = ImageId.parse(str(found)); print(found in {same: 1}, str(found), found.frame_number)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(image_id), env=environment, capture_output=True, check=True
    )
    assert done.stdout.decode().split() == ["True", str(image_id), "3"]


def test_the_frame_that_an_id_has_already_is_that_id_unless_it_was_parsed() -> None:
    made = ImageId("dicomfile", "/a", 2)
    assert made.with_frame(2) is made
    parsed = ImageId.parse("dicomfile:/a?frame=02")
    assert str(parsed.with_frame(2)) == str(made) != str(parsed)
    assert str(ImageId("dicomfile", "/a").with_frame(1)) == "dicomfile:/a?frame=1"
