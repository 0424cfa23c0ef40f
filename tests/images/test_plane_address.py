"""Image ids of planes and of derived images: what is written is read again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.derived_address import DerivedAddress
from cornerstream.images.errors import GeometryError, ImageIdError
from cornerstream.images.image_id import ImageId
from cornerstream.images.plane import Plane, Sampling
from cornerstream.images.plane_address import PlaneAddress

PLANE = Plane((-125.0, -10.5, 80.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.5, 0.25), 300, 512)
TEXT = "mpr:5f0c?origin=-125,-10.5,80&row=1,0,0&column=0,0,-1&spacing=0.5,0.25&size=300,512"
millimetres = st.floats(-3000, 3000)
lengths = st.floats(0.01, 100)


@st.composite
def addresses(draw: st.DrawFn) -> PlaneAddress:
    a, b = draw(st.floats(0, 6)), draw(st.floats(-1.5, 1.5))
    row = (math.cos(a) * math.cos(b), math.sin(a) * math.cos(b), math.sin(b))
    column = (-math.sin(a), math.cos(a), 0.0)
    plane = Plane(
        (draw(millimetres), draw(millimetres), draw(millimetres)),
        row,
        column,
        (draw(lengths), draw(lengths)),
        draw(st.integers(1, 5000)),
        draw(st.integers(1, 5000)),
    )
    sampling = Sampling(
        draw(st.sampled_from(["nearest", "linear", "cubic"])),
        draw(st.just(0.0) | lengths),
        draw(st.sampled_from(["mean", "maximum", "minimum"])),
        draw(st.just(math.nan) | millimetres),
    )
    return PlaneAddress("0123abcd", plane, sampling, draw(lengths), draw(st.integers(2, 9999)))


@given(addresses())
def test_what_is_written_is_read_again(address: PlaneAddress) -> None:
    image_id = ImageId.parse(str(address.image_id))
    read = PlaneAddress.of(image_id)
    np.testing.assert_allclose(read.plane.origin, address.plane.origin, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(read.plane.row_direction, address.plane.row_direction, atol=1e-8)
    np.testing.assert_allclose(read.plane.pixel_spacing, address.plane.pixel_spacing, rtol=1e-8, atol=1e-8)
    assert (read.plane.rows, read.plane.columns) == (address.plane.rows, address.plane.columns)
    assert (read.sampling.interpolation, read.sampling.combine) == (
        address.sampling.interpolation,
        address.sampling.combine,
    )
    np.testing.assert_allclose(read.sampling.fill, address.sampling.fill, rtol=1e-8, atol=1e-8)
    assert read.count == address.count
    assert read.image_id == address.image_id  # as often as one likes
    assert len(str(image_id)) < 400


def test_it_is_short_and_can_be_read() -> None:
    assert str(PlaneAddress("5f0c", PLANE).image_id) == TEXT
    one = PlaneAddress("5f0c", PLANE, Sampling("cubic", 10.0, "maximum", -1000.0), 0.5, 400)
    expected = f"{TEXT}&step=0.5&count=400&interpolation=cubic&slab=10&combine=maximum&fill=-1000&frame=17"
    assert str(one.image_id.with_frame(17)) == expected
    assert PlaneAddress.of(ImageId.parse(expected)) == one


def test_planes_follow_one_another_along_their_normal() -> None:
    address = PlaneAddress("5f0c", PLANE, step=0.5, count=400)
    assert address.at(1) == PLANE
    assert address.at(3).origin == (-125.0, -9.5, 80.0)


@pytest.mark.parametrize(
    "text",
    [
        "mpr:5f0c",
        "mpr:5f0c?",
        TEXT.replace("&size=300,512", ""),
        TEXT.replace("300,512", "300"),
        TEXT.replace("300,512", "300,0"),
        TEXT.replace("300,512", "300.5,2"),
        TEXT.replace("300,512", "1e99,1"),
        TEXT.replace("-125", "nan"),
        TEXT.replace("-125", "inf"),
        TEXT.replace("-125", "x"),
        TEXT.replace("row=1,0,0", "row=1,1,0"),
        TEXT.replace("row=1,0,0", "row=0,0,-1"),
        TEXT.replace("0.5,0.25", "0.5,-1"),
        f"{TEXT}&size=3,3",
        f"{TEXT}&volume=1",
        f"{TEXT}&combine=sum",
        f"{TEXT}&slab=-1",
        f"{TEXT}&count=0",
        f"{TEXT}&frame=2",
        f"{TEXT}&count=3&step=1&frame=4",
    ],
)
def test_what_is_no_plane_is_refused(text: str) -> None:
    with pytest.raises(ImageIdError) as caught:
        PlaneAddress.of(ImageId.parse(text))
    assert str(caught.value.image_id) == text


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        image_id = ImageId.parse(f"mpr:{text}")
    except ImageIdError:
        return
    with pytest.raises(ImageIdError):
        PlaneAddress.of(image_id)
    with pytest.raises(ImageIdError):
        DerivedAddress.of(ImageId("derived", image_id.address))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"origin": (0.0, math.nan, 0.0)}, "position"),
        ({"row_direction": (2.0, 0.0, 0.0)}, "orientation"),
        ({"column_direction": (1.0, 0.0, 0.0)}, "orientation"),
        ({"pixel_spacing": (0.0, 1.0)}, "spacing"),
        ({"pixel_spacing": (math.inf, 1.0)}, "spacing"),
        ({"rows": 0}, "size"),
    ],
)
def test_a_plane_that_is_none_is_refused(change: dict[str, object], reason: str) -> None:
    whole = {name: getattr(PLANE, name) for name in Plane.__slots__}
    with pytest.raises(GeometryError) as caught:
        Plane(**{**whole, **change})
    assert caught.value.reason == reason


SOURCES = [
    "dicomfile:/scans/a & b.dcm?frame=2",
    "wadouri:https://pacs/wado?objectUID=1.2&frame=3&contentType=application%2Fdicom",
    "wadors:https://pacs/studies/1/series/2/instances/3/frames/4",
    "data:image/png;base64,iVBORw0KGgo=",
    str(DerivedAddress("average", (ImageId.parse("memory:1"), ImageId.parse("memory:2"))).image_id),
    TEXT,
]


@pytest.mark.parametrize("second", SOURCES)
@pytest.mark.parametrize("first", SOURCES)
def test_a_derived_image_names_any_images(first: str, second: str) -> None:
    address = DerivedAddress("difference", (ImageId.parse(first), ImageId.parse(second)))
    read = DerivedAddress.of(ImageId.parse(str(address.image_id)))
    assert read == address
    assert [str(one) for one in read.image_ids] == [first, second]


def test_the_opacity_of_a_fusion_is_in_its_image_id() -> None:
    address = DerivedAddress("fusion", (ImageId.parse("memory:1"), ImageId.parse("memory:2")), 0.25)
    assert str(address.image_id) == "derived:fusion?image=memory:1&image=memory:2&opacity=0.25"
    assert DerivedAddress.of(address.image_id) == address


@pytest.mark.parametrize(
    "address",
    [
        "difference",
        "difference?image=memory:1",
        "difference?image=memory:1&image=memory:2&image=memory:3",
        "difference?image=memory:1&image=nothing",
        "sum?image=memory:1&image=memory:2",
        "fusion?image=memory:1&image=memory:2&opacity=2",
        "fusion?image=memory:1&image=memory:2&opacity=nan",
        "fusion?image=memory:1&image=memory:2&opacity=x",
        "fusion?image=memory:1&image=memory:2&opacity=1&opacity=1",
        "fusion?image=memory:1&image=memory:2&color=red",
        "difference?image=memory:1&image=memory:2&frame=2",
        "average?" + "&".join(["image=memory:1"] * 65),
    ],
)
def test_what_is_no_derived_image_is_refused(address: str) -> None:
    image_id = ImageId.parse(f"derived:{address}")
    with pytest.raises(ImageIdError) as caught:
        DerivedAddress.of(image_id)
    assert caught.value.image_id is not None


def test_credentials_of_sources_reach_no_message() -> None:
    source = "wadouri:https://me:hidden@pacs/wado?objectUID=1&access_token=hidden&b=2"
    inner = DerivedAddress("difference", (ImageId.parse(source), ImageId.parse(source))).image_id
    outer = DerivedAddress("difference", (inner, inner)).image_id
    for image_id in (inner, outer):
        assert "hidden" not in str(ImageIdError("no", image_id=image_id))
