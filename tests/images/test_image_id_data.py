"""Image ids of `data:` and `memory:`, and of files that lie in a folder called `frames`."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import ImageIdError
from cornerstream.images.image_id import ImageId


@pytest.mark.parametrize(
    ("text", "address", "number"),
    [
        ("data:;base64,AAAA/frames/1", ";base64,AAAA/frames/1", None),
        ("data:;base64,AAAA/frames/1?frame=3", ";base64,AAAA/frames/1", 3),
        ("DATA:,a?b=1&frame=3", ",a?b=1&frame=3", None),
        ("data:,a?b&frame=3?frame=2", ",a?b&frame=3", 2),
        ("memory:a/frames/2", "a/frames/2", None),
        ("memory:a/frames/2?frame=3", "a/frames/2", 3),
        ("npy:/scans/frames/a.npy", "/scans/frames/a.npy", None),
        ("npy:/scans/frames/a.npy?frame=2", "/scans/frames/a.npy", 2),
        ("x:a/frames/2", "a", 2),
    ],
)
def test_parts(text: str, address: str, number: int | None) -> None:
    image_id = ImageId.parse(text)
    assert (image_id.address, image_id.frame_number, str(image_id)) == (address, number, text)
    assert ImageId.parse(str(image_id.with_frame(7))) == ImageId(image_id.scheme, address, 7)


@settings(max_examples=150)
@given(st.binary(max_size=60), st.none() | st.integers(1, 9))
def test_base64_is_never_taken_for_a_frame(data: bytes, number: int | None) -> None:
    address = ";base64," + base64.b64encode(data).decode() + "/frames/1"
    image_id = ImageId.parse(f"data:{address}" + ("" if number is None else f"?frame={number}"))
    assert (image_id.address, image_id.frame_number) == (address, number)


@pytest.mark.parametrize("text", ["data:,a?frame=1?frame=2", "data:,a?frame=", "data:,a?frame=1&b=2"])
def test_what_may_be_meant_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ImageIdError):
        ImageId.parse(text)


def test_a_megabyte_of_data_is_never_repeated() -> None:
    secret = "c2VjcmV0" * 200_000
    image_id = ImageId.parse(f"data:image/png;base64,{secret}?frame=2")
    error = ImageIdError("no such frame", image_id=image_id)
    for shown in (repr(image_id), image_id.shown, str(error), str(ImageIdError("x", image_id=str(image_id)))):
        assert len(shown) < 150
        assert "image/png;base64,… (1,600,0" in shown
        assert "c2Vj" not in shown
    with pytest.raises(ImageIdError) as caught:
        ImageId.parse(f"data:,{secret}?frame={secret}")
    assert len(str(caught.value)) < 300


def test_other_long_addresses_are_cut() -> None:
    assert len(ImageId.parse("wadouri:https://pacs/" + "a" * 100_000).shown) < 2100
