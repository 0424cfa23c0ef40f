"""JPEG: grey, colour and CMYK, sequential and progressive, as Pillow decodes them; cut or contradictory ones refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from cornerstream.images.errors import DecodeError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.web_image import open_web
from cornerstream.operators.web_jpeg import rgb_of_cmyk
from tests.support.pictures import decoded, exif, noise, opened, saved, smooth

SMALL = saved(smooth(16, 24), "JPEG")


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (2 + len(payload)).to_bytes(2, "big") + payload


def with_segment(body: bytes, marker: int, payload: bytes) -> bytes:
    """A JPEG with one more segment behind its start of image."""
    return body[:2] + segment(marker, payload) + body[2:]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), quality=st.integers(30, 100))
@settings(max_examples=6, deadline=None)
def test_colour_is_as_pillow_decodes_it(
    progressive: bool, subsampling: int, size: tuple[int, int], quality: int
) -> None:
    body = saved(noise((*size, 3)), "JPEG", quality=quality, progressive=progressive, subsampling=subsampling)
    image = decoded(body)
    assert np.abs(image.pixels.astype(int) - np.asarray(opened(body))).max() <= 2
    assert image.photometric_interpretation == "RGB"
    assert image.photometric_interpretation_found == ("YBR_FULL" if subsampling == 0 else "YBR_FULL_422")


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), progressive=st.booleans())
@settings(max_examples=10, deadline=None)
def test_grey_is_as_pillow_decodes_it(size: tuple[int, int], progressive: bool) -> None:
    body = saved(noise(size), "JPEG", progressive=progressive)
    image = decoded(body)
    assert np.abs(image.pixels.astype(int) - np.asarray(opened(body))).max() <= 1
    assert (image.photometric_interpretation, image.bits_stored) == ("MONOCHROME2", 8)


def test_rgb_is_not_taken_for_ycbcr() -> None:
    body = saved(smooth(16, 16), "JPEG", keep_rgb=True, quality=95)
    image = decoded(body)
    assert image.photometric_interpretation_found == "RGB"
    assert np.abs(image.pixels.astype(int) - smooth(16, 16)).max() <= 4


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_becomes_rgb(progressive: bool) -> None:
    ink = smooth(20, 30, 4)
    body = saved(Pillow.fromarray(ink, "CMYK"), "JPEG", quality=98, progressive=progressive)
    image = decoded(body)
    by_pillow = np.asarray(opened(body)).astype(float)
    expected = (255 - by_pillow[..., :3]) * (255 - by_pillow[..., 3:]) / 255
    assert np.abs(image.pixels - expected).max() <= 0.5
    assert (image.photometric_interpretation, image.photometric_interpretation_found) == ("RGB", "CMYK")


def test_every_cmyk_value_is_rounded_to_the_nearest() -> None:
    light, black = np.meshgrid(np.arange(256), np.arange(256))
    ink = np.stack([light, light, light, black], axis=-1).astype(np.uint8)
    expected = np.rint((255 - light) * (255 - black) / 255)
    np.testing.assert_array_equal(rgb_of_cmyk(ink)[..., 1], expected)


@pytest.mark.parametrize("progressive", [False, True])
def test_every_truncation_is_refused(progressive: bool) -> None:
    body = saved(smooth(16, 24), "JPEG", progressive=progressive, exif=b"Exif\0\0" + exif(1))
    for length in range(len(body)):
        with pytest.raises(TruncatedError):
            open_web(body[:length])
    np.testing.assert_array_equal(decoded(body + b"what follows").pixels, decoded(body).pixels)


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (noise((40, 56, 3)), {"quality": 90}),
        (noise((41, 57)), {}),
        (smooth(40, 56, 4), {}),
        (noise((40, 56, 3)), {"restart_marker_blocks": 3}),
    ],
)
def test_a_scan_that_ends_too_early_in_front_of_an_end_marker_is_refused(pixels: Any, options: dict[str, Any]) -> None:
    """As a server leaves it that closes what it has of an upload; libjpeg would make the rest grey."""
    picture = Pillow.fromarray(pixels, "CMYK") if pixels.shape[-1] == 4 else Pillow.fromarray(pixels)
    body = saved(picture, "JPEG", **options)
    start = body.rindex(b"\xff\xda") + 20
    for length in range(start, len(body) - 120, 7):  # the last block may come out in part
        if body[length - 1] != 0xFF:
            with pytest.raises(DecodeError):
                decoded(body[:length] + b"\xff\xd9")


def test_mid_grey_in_the_last_corner_is_a_picture() -> None:
    body = saved(np.full((16, 16, 3), 128, np.uint8), "JPEG")
    assert (decoded(body).pixels == 128).all()


def test_a_thumbnail_does_not_end_the_picture() -> None:
    """Its end marker lies in a segment, which is passed by its length."""
    body = with_segment(SMALL, 0xE1, b"Exif\0\0" + exif(1) + SMALL)
    np.testing.assert_array_equal(decoded(body).pixels, decoded(SMALL).pixels)
    cut = body[: 2 + 4 + 6 + len(exif(1)) + len(SMALL)]
    with pytest.raises(TruncatedError):
        open_web(cut)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    body = saved(smooth(16, 24), "JPEG", exif=b"Exif\0\0" + exif(orientation))
    image = decoded(body)
    np.testing.assert_array_equal(image.pixels, np.asarray(ImageOps.exif_transpose(opened(body))))
    assert (image.rows, image.columns) == ((24, 16) if orientation >= 5 else (16, 24))


def test_a_profile_in_parts_is_joined_in_their_order() -> None:
    body = SMALL
    for number, part in ((1, b"first,"), (3, b"third"), (2, b"second,")):
        body = with_segment(body, 0xE2, b"ICC_PROFILE\0" + bytes((number, 3)) + part)
    assert decoded(body).icc_profile == b"first,second,third"
    with pytest.raises(LimitError, match="icc_profile_bytes=17"):
        open_web(body, limits=Limits(icc_profile_bytes=17))


def test_a_missing_part_of_a_profile_is_found_when_it_is_used() -> None:
    broken = with_segment(SMALL, 0xE2, b"ICC_PROFILE\0\1\2" + bytes(200))
    with pytest.raises(DecodeError, match="profile"):
        decoded(broken).to_srgb()


SOF = segment(0xC0, b"\x08\0\x10\0\x10\1\1\x11\0")
SOS = segment(0xDA, b"\1\1\0\0\x3f\0")


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ([SOF, SOF, SOS], SplitError, "two frame headers"),
        ([SOS], SplitError, "no frame header"),
        ([SOF], SplitError, "no scan"),
        ([segment(0xC5, b"\x08\0\x10\0\x10\1\1\x11\0"), SOS], DecodeError, "hierarchical"),
        ([segment(0xC0, b"\x08\0\x10\0\x10\2\1\x11\0"), SOS], SplitError, "cut short"),
        ([segment(0xC0, b"\x08\0\x10\0\x10\1\1\x51\0"), SOS], DecodeError, "sampling"),
        ([segment(0xC0, b"\x08\0\x10\0\x10\2" + b"\1\x11\0" * 2), SOS], DecodeError, "2 components"),
        ([segment(0xC0, b"\x08\0\0\0\x10\1\1\x11\0"), SOS], DecodeError, "0 × 16"),
        ([SOF, *[SOS] * 257], DecodeError, "more than 256 scans"),
        ([segment(0xC0, b"\x08\xff\xff\xff\xff\1\1\x11\0"), SOS], LimitError, "frame_pixels"),
        ([segment(0xC0, b"\x08\x20\0\x20\0\1\1\x11\0"), SOS, bytes(100)], DecodeError, "cannot hold 8192 × 8192"),
        ([b"\xff\xe0\0\1", SOF, SOS], SplitError, "no length"),
    ],
)
def test_contradictions_are_refused(parts: list[bytes], error: type[ImageLoadError], message: str) -> None:
    with pytest.raises(error, match=message):
        decoded(b"\xff\xd8" + b"".join(parts) + b"\xff\xd9")


def test_what_libjpeg_refuses_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="libjpeg-turbo"):
        decoded(b"\xff\xd8" + SOF + SOS + bytes(100) + b"\xff\xd9")  # there are no tables


@given(at=st.integers(2, len(SMALL) - 1), value=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_gives_a_picture_of_its_size_or_a_typed_error(at: int, value: int) -> None:
    wrong = bytearray(SMALL)
    wrong[at] = value
    try:
        image = decoded(bytes(wrong), limits=Limits(frame_pixels=1 << 20))
    except ImageLoadError:
        return
    page = open_web(bytes(wrong)).pages[0]
    assert image.pixels.shape[:2] in ((page.rows, page.columns), (page.columns, page.rows))
