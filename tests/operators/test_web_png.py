"""PNG: every depth, colour type and interlacing back as it was written; whatever contradicts itself refused."""

from __future__ import annotations

import struct
import zlib
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
from cornerstream.operators.web_png import PngPage
from tests.support.pictures import SAMPLES, SIGNATURE, chunk, decoded, exif, grey_png, ihdr, noise, opened, png, saved

KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]
PALETTE = chunk(b"PLTE", bytes(range(9)) + b"\xff\x80\0")
DATA = chunk(b"IDAT", zlib.compress(b"\0\1\2" * 2))


def native(body: bytes) -> Any:
    codec = open_web(body).pages[0].codec
    assert isinstance(codec, PngPage)
    return codec.samples(body)


@pytest.mark.parametrize(("color_type", "bits"), KINDS)
@given(size=st.tuples(st.integers(1, 20), st.integers(1, 20)), interlaced=st.booleans(), pieces=st.integers(1, 4))
@settings(max_examples=8, deadline=None)
def test_samples_come_back(color_type: int, bits: int, size: tuple[int, int], interlaced: bool, pieces: int) -> None:
    samples = noise((*size, SAMPLES[color_type]), bits, seed=sum(size))
    image = decoded(png(samples, bits, color_type, interlaced=interlaced, pieces=pieces))
    colours = 3 if color_type in (2, 6) else 1
    expected = samples[..., :3] if colours == 3 else samples[..., 0]
    np.testing.assert_array_equal(image.pixels, expected)
    assert image.pixels.dtype == samples.dtype
    assert (image.bits_stored, image.samples_per_pixel) == (bits, colours)
    if color_type in (4, 6):
        assert image.alpha is not None
        np.testing.assert_array_equal(image.alpha, samples[..., -1])
    else:
        assert image.alpha is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@given(size=st.tuples(st.integers(1, 30), st.integers(1, 30)), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_what_pillow_writes(mode: str, size: tuple[int, int], seed: int) -> None:
    if mode == "I;16":
        picture = Pillow.fromarray(noise(size, 16, seed))
    else:
        picture = Pillow.fromarray(noise((*size, 3), 8, seed)).convert(mode)
    image = decoded(saved(picture, "PNG"))
    shown = picture.convert("RGB") if mode == "P" else picture
    found = image.pixels if image.alpha is None else np.dstack((image.pixels, image.alpha))
    np.testing.assert_array_equal(found, np.asarray(shown).astype(found.dtype))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("interlaced", [False, True])
def test_palette_and_its_transparency(bits: int, interlaced: bool) -> None:
    entries = noise((1 << bits, 3), 8, seed=5)
    alpha = noise((1 << bits,), 8, seed=6)[: (1 << bits) - 1]
    extra = [chunk(b"PLTE", entries.tobytes()), chunk(b"tRNS", alpha.tobytes())]
    indices = noise((9, 11, 1), bits)
    body = png(indices, bits, 3, extra, interlaced=interlaced)
    image = decoded(body)
    np.testing.assert_array_equal(native(body), indices[..., 0])
    np.testing.assert_array_equal(image.pixels, entries[indices[..., 0]])
    np.testing.assert_array_equal(image.alpha, np.append(alpha, 255).astype(np.uint8)[indices[..., 0]])
    assert (image.photometric_interpretation, image.photometric_interpretation_found) == ("RGB", "PALETTE COLOR")
    assert image.palette is not None
    assert image.alpha is not None
    np.testing.assert_array_equal(image.palette.green.values, entries[:, 1])
    np.testing.assert_array_equal(np.asarray(opened(body).convert("RGBA")), np.dstack((image.pixels, image.alpha)))


def test_an_index_behind_the_palette_is_opaque_black() -> None:
    body = png(np.array([[[0], [1], [200]]]), 8, 3, [chunk(b"PLTE", b"\1\2\3\4\5\6"), chunk(b"tRNS", b"\7")])
    image = decoded(body)
    assert image.pixels.tolist() == [[[1, 2, 3], [4, 5, 6], [0, 0, 0]]]
    assert image.alpha is not None
    assert image.alpha.tolist() == [[7, 255, 255]]
    np.testing.assert_array_equal(np.asarray(opened(body).convert("RGBA"))[0, 2], [0, 0, 0, 255])


@pytest.mark.parametrize(("bits", "key"), [(2, 3), (8, 7), (16, 0x1234)])
def test_one_grey_level_is_transparent(bits: int, key: int) -> None:
    samples = noise((6, 6, 1), bits)
    samples[2, 3] = key
    # Bits above those of a sample do not count.
    stray = key if bits == 16 else key | 0x100
    image = decoded(png(samples, bits, 0, [chunk(b"tRNS", struct.pack(">H", stray))]))
    largest = (1 << bits) - 1
    np.testing.assert_array_equal(image.alpha, np.where(samples[..., 0] == key, 0, largest))
    assert image.alpha is not None
    assert image.alpha.dtype == image.pixels.dtype


@pytest.mark.parametrize("bits", [8, 16])
def test_one_colour_is_transparent(bits: int) -> None:
    samples = noise((6, 6, 3), bits)
    samples[1, 1] = samples[4, 4] = (1, 2, 3)
    samples[2, 2] = (1, 2, 4)
    alpha = decoded(png(samples, bits, 2, [chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))])).alpha
    assert alpha is not None
    assert [tuple(place) for place in np.argwhere(alpha == 0)] == [(1, 1), (4, 4)]
    assert set(np.unique(alpha)) == {0, (1 << bits) - 1}


@pytest.mark.parametrize("body", [grey_png(), png(noise((9, 9, 4), 16), 16, 6, interlaced=True, pieces=3)])
def test_every_truncation_is_refused(body: bytes) -> None:
    for length in range(len(body)):
        with pytest.raises(TruncatedError):
            open_web(body[:length])
    open_web(body)
    open_web(body + b"what follows does not matter")


def test_every_changed_byte_is_refused_or_changes_nothing() -> None:
    """All but the signature is under a checksum."""
    body = grey_png(4, 5, chunk(b"tEXt", b"Title\0noise"))
    for at in range(len(body)):
        wrong = bytearray(body)
        wrong[at] ^= 0x20
        with pytest.raises(ImageLoadError):
            decoded(bytes(wrong))


@pytest.mark.parametrize(
    ("pieces", "error", "message"),
    [
        ([chunk(b"IDAT", b"")], SplitError, "begins with one IHDR"),
        ([ihdr(2, 2, 8, 0)] * 2, SplitError, "begins with one IHDR"),
        ([ihdr(2, 2, 8, 0), chunk(b"IEND")], SplitError, "no IDAT"),
        ([ihdr(2, 2, 8, 5), DATA], DecodeError, "colour type 5"),
        ([ihdr(2, 2, 3, 0), DATA], DecodeError, "3 bits"),
        ([ihdr(2, 2, 16, 3), DATA], DecodeError, "16 bits a sample with colour type 3"),
        ([ihdr(2, 2, 8, 0, 2), DATA], DecodeError, "interlacing 2"),
        ([ihdr(0, 2, 8, 0), DATA], DecodeError, "2 × 0"),
        ([ihdr(2, 2, 8, 3), DATA, chunk(b"IEND")], SplitError, "no palette"),
        ([ihdr(2, 2, 8, 3), chunk(b"PLTE", b"1234"), DATA, chunk(b"IEND")], SplitError, "4 bytes"),
        ([ihdr(2, 2, 8, 3), DATA, PALETTE, chunk(b"IEND")], SplitError, "behind the data"),
        ([ihdr(2, 2, 8, 3), PALETTE, PALETTE], SplitError, "twice"),
        ([ihdr(2, 2, 8, 0), chunk(b"tRNS", b"1"), DATA, chunk(b"IEND")], SplitError, "tRNS"),
        ([ihdr(2, 2, 8, 4), chunk(b"tRNS", b"12"), DATA, chunk(b"IEND")], SplitError, "colour type 4"),
        ([ihdr(2, 2, 8, 3), PALETTE, chunk(b"tRNS", b"12345"), DATA, chunk(b"IEND")], SplitError, "tRNS"),
        ([ihdr(2, 2, 8, 0), DATA, chunk(b"tEXt"), DATA], SplitError, "do not follow"),
        ([ihdr(2, 2, 8, 0), chunk(b"CgBI"), DATA], DecodeError, "CgBI"),
        ([ihdr(2, 2, 8, 0), chunk(b"gAMA", b"1"), DATA], SplitError, "gAMA of 1 bytes"),
        ([ihdr(2, 2, 8, 0), b"\0\0\0\1\1\2\3\4"], SplitError, "no PNG chunk begins"),
        ([ihdr(2, 2, 8, 0), chunk(b"IDAT", zlib.compress(b"\0\1\2")), chunk(b"IEND")], DecodeError, "libpng"),
        ([ihdr(2, 2, 8, 0, 1), chunk(b"IDAT", zlib.compress(b"\0\1")), chunk(b"IEND")], DecodeError, "seven passes"),
        ([ihdr(2, 2, 8, 0, 1), chunk(b"IDAT", b"no zlib"), chunk(b"IEND")], DecodeError, "does not inflate"),
    ],
)
def test_contradictions_are_refused(pieces: list[bytes], error: type[ImageLoadError], message: str) -> None:
    with pytest.raises(error, match=message):
        decoded(SIGNATURE + b"".join(pieces))


def test_a_bomb_is_refused_by_its_header() -> None:
    """30,000 × 30,000 pixels in a kilobyte: the header alone is above the limit, before its data is looked at."""
    with pytest.raises(LimitError, match="frame_pixels"):
        decoded(SIGNATURE + ihdr(30_000, 30_000, 8, 6) + chunk(b"IDAT", bytes(1000)) + chunk(b"IEND"))


def test_bytes_of_samples_have_a_limit() -> None:
    body = png(noise((4, 4, 4), 16), 16, 6)
    with pytest.raises(LimitError, match="decode_bytes=127"):
        decoded(body, limits=Limits(decode_bytes=127))
    decoded(body, limits=Limits(decode_bytes=128))


def test_data_that_cannot_hold_the_picture_is_refused_before_it_is_allocated() -> None:
    body = SIGNATURE + ihdr(16_000, 16_000, 8, 0) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND")
    with pytest.raises(DecodeError, match="cannot hold 16000 × 16000"):
        open_web(body)


PROFILE = chunk(b"iCCP", b"name\0\0" + zlib.compress(b"a profile" * 9))


def test_the_profile_is_kept_as_it_is() -> None:
    assert decoded(grey_png(4, 5, PROFILE)).icc_profile == b"a profile" * 9


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"name\0\0" + zlib.compress(bytes(2 << 20)), LimitError),
        (b"name\0\0" + zlib.compress(b"profile")[:-2], SplitError),
        (b"name\0\0" + b"no zlib", SplitError),
        (b"name\0\1" + zlib.compress(b"profile"), SplitError),
        (b"", SplitError),
    ],
)
def test_profiles_that_expand_or_break_are_refused(data: bytes, error: type[ImageLoadError]) -> None:
    with pytest.raises(error):
        open_web(grey_png(4, 5, chunk(b"iCCP", data)), limits=Limits(icc_profile_bytes=1 << 20))


def test_text_that_would_expand_is_never_inflated() -> None:
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(64 << 20)))
    plain = grey_png()
    np.testing.assert_array_equal(decoded(grey_png(4, 5, bomb)).pixels, decoded(plain).pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    plain = grey_png(3, 7)
    turned = decoded(grey_png(3, 7, chunk(b"eXIf", exif(orientation, big=orientation % 2 == 0))))
    reference = opened(saved(decoded(plain).pixels, "PNG", exif=b"Exif\0\0" + exif(orientation)))
    np.testing.assert_array_equal(turned.pixels, np.asarray(ImageOps.exif_transpose(reference)))
    assert (turned.rows, turned.columns) == ((7, 3) if orientation >= 5 else (3, 7))
