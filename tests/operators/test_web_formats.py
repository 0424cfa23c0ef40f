"""JPEG 2000, TIFF, WebP, GIF and BMP: round trips through Pillow, every truncation, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from cornerstream.images.errors import DecodeError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.web_image import open_web
from tests.support.pictures import decoded, exif, noise, opened, saved, smooth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.image import Image

PICTURES: dict[str, Any] = {
    "1": Pillow.fromarray(noise((9, 13))).convert("1"),
    "L": noise((9, 13)),
    "LA": noise((9, 13, 2)),
    "P": Pillow.fromarray(noise((9, 13, 3))).quantize(16),
    "RGB": noise((9, 13, 3)),
    "RGBA": noise((9, 13, 4)),
    "I;16": noise((9, 13), 16),
    "F": np.random.default_rng(3).random((9, 13), np.float32),
    "I": np.arange(117, dtype=np.int32).reshape(9, 13) - 50,
}
LOSSLESS = [
    *(("TIFF", mode, {"compression": how}) for mode in PICTURES for how in ("raw", "tiff_lzw", "tiff_adobe_deflate")),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "RGB", {"big_tiff": True}),
    *(("JPEG2000", mode, {"no_jp2": bare}) for mode in ("L", "LA", "RGB", "RGBA", "I;16") for bare in (False, True)),
    *(("WEBP", mode, {"lossless": True, "exact": True}) for mode in ("RGB", "RGBA")),
    *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB")),
    ("GIF", "P", {}),
]


def together(image: Image) -> NDArray[Any]:
    """Pixels, and the alpha channel behind them."""
    return image.pixels if image.alpha is None else np.dstack((image.pixels, image.alpha))


def name(value: object) -> str | None:
    return "-".join(map(str, value.values())) if isinstance(value, dict) else None


@pytest.mark.parametrize(("form", "mode", "options"), LOSSLESS, ids=name)
def test_lossless_pictures_come_back(form: str, mode: str, options: dict[str, Any]) -> None:
    body = saved(PICTURES[mode], form, **options)
    image = decoded(body)
    with opened(body) as picture:
        shown = (
            picture.convert("RGB")
            if mode == "P"
            else picture.convert("L")
            if form == "BMP" and mode == "1"
            else picture
        )
        expected = np.asarray(shown)
    np.testing.assert_array_equal(together(image), expected)
    assert image.pixels.dtype == (np.uint8 if mode == "1" else expected.dtype)
    assert not image.pixels.flags.writeable


@pytest.mark.parametrize(("form", "mode", "options"), LOSSLESS, ids=name)
def test_every_truncation_is_refused(form: str, mode: str, options: dict[str, Any]) -> None:
    body = saved(PICTURES[mode], form, **options)
    for length in range(len(body) - 2):  # TIFF and BMP may end in a byte of padding
        with pytest.raises(ImageLoadError):
            decoded(body[:length])


@pytest.mark.parametrize("form", ["WEBP", "TIFF", "JPEG2000"])
@pytest.mark.parametrize("samples", [3, 4])
@given(size=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 99))
@settings(max_examples=5, deadline=None)
def test_any_size(form: str, samples: int, size: tuple[int, int], seed: int) -> None:
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    pixels = noise((*size, samples), 8, seed)
    np.testing.assert_array_equal(together(decoded(saved(pixels, form, **options))), pixels)


def test_lossy_webp_is_as_pillow_decodes_it() -> None:
    for samples in (3, 4):
        body = saved(smooth(20, 30, samples), "WEBP", quality=80)
        np.testing.assert_array_equal(together(decoded(body)), np.asarray(opened(body)))


@pytest.mark.parametrize("form", ["WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation(form: str, orientation: int) -> None:
    if form == "WEBP":
        body = saved(smooth(8, 12), form, lossless=True, exif=b"Exif\0\0" + exif(orientation))
    else:
        body = saved(smooth(8, 12), form, tiffinfo={274: orientation})
    turned = np.rot90(smooth(8, 12), {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    np.testing.assert_array_equal(decoded(body).pixels, turned)


@pytest.mark.parametrize("form", ["WEBP", "TIFF", "JPEG2000", "PNG", "JPEG"])
def test_profiles_are_kept(form: str) -> None:
    from PIL import ImageCms  # noqa: PLC0415 - the maker of the one profile

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    body = saved(smooth(8, 8), form, icc_profile=profile)
    if form == "JPEG2000":  # Pillow writes none
        assert decoded(body).icc_profile is None
        return
    image = decoded(body)
    assert image.icc_profile == profile
    assert np.abs(image.to_srgb().astype(int) - image.pixels).max() <= 1
    with pytest.raises(LimitError, match="icc_profile_bytes=99"):
        open_web(body, limits=Limits(icc_profile_bytes=99))


def test_a_codestream_without_one_of_its_tiles_is_refused() -> None:
    """OpenJPEG would leave it blank."""
    body = saved(noise((32, 32)), "JPEG2000", no_jp2=True, tile_size=(16, 16))
    assert decoded(body).pixels.shape == (32, 32)
    with pytest.raises(DecodeError, match="tiles or tile-parts"):
        open_web(body[: body.rindex(b"\xff\x90")] + b"\xff\xd9")


JP2 = saved(noise((9, 13, 4)), "JPEG2000")


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        (b"\x00\x03\x00\x01\x00\x00", b"\x00\x03\x00\x02\x00\x00", "premultiplied"),
        (b"colr\x01\x00\x00\x00\x00\x00\x10", b"colr\x01\x00\x00\x00\x00\x00\x12", "sYCC"),
        (b"cdef", b"pclr", "palette"),
    ],
)
def test_jp2_colours_that_would_come_out_as_others(was: bytes, becomes: bytes, message: str) -> None:
    assert JP2.count(was) == 1
    with pytest.raises(DecodeError, match=message):
        open_web(JP2.replace(was, becomes))


def test_of_two_jp2_boxes_the_first_counts() -> None:
    """As in OpenJPEG; the second one may be another picture, or say other colours."""
    other = saved(noise((20, 30, 4), 8, 2), "JPEG2000")
    stream = other.index(b"jp2c") - 4
    np.testing.assert_array_equal(together(decoded(JP2 + other[stream:])), together(decoded(JP2)))
    np.testing.assert_array_equal(np.asarray(opened(JP2 + other[stream:])), noise((9, 13, 4)))
    at = JP2.index(b"colr") - 4
    end = at + int.from_bytes(JP2[at : at + 4], "big")
    profile = b"\0\0\0\x12colr\2\0\0profile"
    header = JP2.index(b"jp2h") - 4
    length = int.from_bytes(JP2[header : header + 4], "big") + len(profile)
    both = JP2[:header] + length.to_bytes(4, "big") + JP2[header + 4 : end] + profile + JP2[end:]
    assert decoded(both).icc_profile is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_chunks_that_contradict_themselves(mode: str) -> None:
    body = saved(smooth(8, 8, len(mode)), "WEBP")
    assert b"VP8 " in body
    with pytest.raises(SplitError, match="no picture"):
        open_web(body.replace(b"VP8 ", b"VP9 "))
    with pytest.raises(ImageLoadError):
        open_web(body.replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b"))


def test_gif_blocks_that_are_none() -> None:
    body = saved(PICTURES["P"], "GIF")
    with pytest.raises(SplitError, match="no picture among"):
        open_web(body[:10] + b"\0\0\0;")
    with pytest.raises(SplitError, match="no GIF block"):
        open_web(body[:10] + b"\0\0\0!" + b"\xf9\0" + b"?")


@pytest.mark.parametrize(
    ("at", "value", "error", "message"),
    [
        (30, 1, DecodeError, "compression 1"),
        (28, 5, DecodeError, "5 bits"),
        (14, 12, DecodeError, "header of 12 bytes"),
        (22, 77, TruncatedError, "too early"),
        (10, 53, SplitError, "within its header"),
    ],
)
def test_bmps_that_are_refused(at: int, value: int, error: type[ImageLoadError], message: str) -> None:
    body = bytearray(saved(noise((9, 13, 3)), "BMP"))
    body[at] = value
    with pytest.raises(error, match=message):
        decoded(bytes(body))


@pytest.mark.parametrize("form", ["JPEG2000", "TIFF", "WEBP", "GIF", "BMP"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_gives_a_picture_of_its_size_or_a_typed_error(form: str, data: st.DataObject) -> None:
    body = bytearray(saved(PICTURES["P" if form == "GIF" else "RGB"], form))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decoded(bytes(body), limits=Limits(frame_pixels=1 << 20))
    except ImageLoadError:
        return
    assert image.pixels.size >= 1
