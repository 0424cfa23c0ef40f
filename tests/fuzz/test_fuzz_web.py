"""Fuzzing of pictures with a fixed budget: a picture of its size or a typed error, whatever is changed in a real file."""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.operators.web_image import decode_web, open_web
from tests.fuzz.mutations import budget, mutated
from tests.support.pictures import noise, png, saved

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]
LIMITS = Limits(frame_pixels=1 << 20)
TOKENS = (b"IHDR", b"IDAT", b"fcTL", b"fdAT", b"acTL", b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc2", b"ANMF", b"VP8X",
          b"jp2c", b"\xff\x90", b"\x21\xf9\x04", b"\x2c", b"\xff\xff\xff\xff", b"\0\0\0\0")  # fmt: skip


@cache
def bases() -> dict[str, Sequence[bytes]]:
    """Small files of each format, of every way that it is written in."""
    rgb, grey = noise((12, 17, 3)), noise((12, 17))
    moving: dict[str, Any] = {"save_all": True, "append_images": [Pillow.fromarray(noise((12, 17, 4)))], "duration": 9}
    first = Pillow.fromarray(noise((12, 17, 4), 8, 2))
    ways = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    return {
        "PNG": [saved(rgb, "PNG"), png(rgb, 8, 2, interlaced=True), saved(first, "PNG", **moving)],
        "JPEG": [saved(rgb, "JPEG"), saved(rgb, "JPEG", progressive=True), saved(grey, "JPEG")],
        "JPEG2000": [saved(rgb, "JPEG2000"), saved(grey, "JPEG2000", no_jp2=True)],
        "TIFF": [*(saved(rgb, "TIFF", compression=way) for way in ways), saved(rgb, "TIFF", big_tiff=True)],
        "WEBP": [saved(rgb, "WEBP"), saved(rgb, "WEBP", lossless=True), saved(first, "WEBP", **moving)],
        "GIF": [saved(grey, "GIF"), saved(first, "GIF", **moving)],
        "BMP": [saved(rgb, "BMP"), saved(Pillow.fromarray(rgb).quantize(16), "BMP")],
    }


def with_right_checksums(body: bytes) -> bytes:
    """A PNG whose chunks are changed and whose checksums are not what gives that away."""
    whole, position = bytearray(body), 8
    while position + 12 <= len(whole):
        end = position + 8 + int.from_bytes(whole[position : position + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(whole)


@pytest.mark.parametrize("form", bases())
@budget(1500)
@given(data=st.data())
def test_changed_pictures(form: str, data: st.DataObject) -> None:
    body = data.draw(mutated(bases()[form], TOKENS))
    if form == "PNG":
        body = with_right_checksums(body)
    number = data.draw(st.integers(1, 2))
    try:
        image = decode_web(body, ImageId("web", "/changed", number), limits=LIMITS)
    except ImageLoadError:
        return
    page = open_web(body, limits=LIMITS).pages[number - 1]
    assert sorted(image.pixels.shape[:2]) == sorted((page.rows, page.columns))
    assert np.issubdtype(image.pixels.dtype, np.number)
