"""Animated PNG and WebP: every frame as it is shown, by Pillow's account; frames that cannot be are refused."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

from cornerstream.images.errors import ImageIdError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.operators.web_animation import CLEAR, RESTORE, AnimationFrame, composed_frame
from cornerstream.operators.web_image import decode_web, open_web
from tests.support.pictures import SIGNATURE, chunk, ihdr, lines, noise, opened, saved

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = ImageId.parse("web:/moving")
ROWS, COLUMNS = 12, 17


def stills(count: int = 5, *, alpha: bool = True) -> list[Pillow.Image]:
    """Frames of which each changes a part of the one before; fully opaque or transparent."""
    canvas = np.zeros((ROWS, COLUMNS, 4), np.uint8)
    canvas[..., 3] = 255
    found = []
    for index in range(count):
        canvas = canvas.copy()
        canvas[index : index + 5, 2 * index : 2 * index + 6, :3] = noise((5, 6, 3), 8, index)
        if alpha:
            canvas[index, :4, 3] = 0
        found.append(Pillow.fromarray(canvas if alpha else canvas[..., :3]))
    return found


def shown(body: bytes, number: int) -> NDArray[Any]:
    """A frame as RGBA, black where it is transparent."""
    image = decode_web(body, ID.with_frame(number))
    alpha = np.full(image.pixels.shape[:2], 255, np.uint8) if image.alpha is None else image.alpha
    colours = image.pixels if image.pixels.ndim == 3 else np.repeat(image.pixels[..., None], 3, axis=-1)
    return np.where(alpha[..., None] == 0, 0, np.dstack((colours, alpha)))


def by_pillow(body: bytes, number: int) -> NDArray[Any]:
    with opened(body) as picture:
        picture.seek(number - 1)
        found = np.asarray(picture.convert("RGBA"))
    return np.where(found[..., 3:] == 0, 0, found)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("PNG", {"disposal": 1}),
        ("PNG", {"disposal": 2}),
        ("PNG", {"default_image": True}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"lossless": True, "minimize_size": True}),
        ("WEBP", {"lossless": True, "kmax": 1}),
        ("GIF", {}),
        ("GIF", {"disposal": 2}),
    ],
)
@pytest.mark.parametrize("alpha", [True, False])
def test_every_frame_is_as_pillow_shows_it(form: str, options: dict[str, Any], alpha: bool) -> None:
    first, *more = stills(alpha=alpha)
    body = saved(first, form, save_all=True, append_images=more, duration=40, **options)
    count = getattr(opened(body), "n_frames", 1)
    assert len(open_web(body).pages) == count
    for number in range(1, count + 1):
        # Of what is cleared without an alpha channel Pillow knows that it is black, not that it is transparent.
        samples = 3 if form == "PNG" and not alpha else 4
        np.testing.assert_array_equal(shown(body, number)[..., :samples], by_pillow(body, number)[..., :samples])
    with pytest.raises(ImageIdError, match=f"has {count}"):
        decode_web(body, ID.with_frame(count + 1))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_every_truncation_of_an_animation_is_refused(form: str) -> None:
    first, *more = stills(3)
    body = saved(first, form, save_all=True, append_images=more, duration=40)
    for length in range(len(body)):
        with pytest.raises(ImageLoadError):
            open_web(body[:length])


def test_over_is_straight_alpha() -> None:
    below, above = noise((8, 8, 4), 8, 1), noise((8, 8, 4), 8, 2)
    frames = (AnimationFrame(8, 8), AnimationFrame(8, 8, over=True))
    found = composed_frame(frames, 1, np.zeros((8, 8, 4), np.uint8), lambda frame: above if frame.over else below)
    expected = Pillow.fromarray(below)
    expected.alpha_composite(Pillow.fromarray(above))
    assert np.abs(found.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(("disposal", "left"), [(CLEAR, 0), (RESTORE, 9), (0, 5)])
def test_disposal(disposal: int, left: int) -> None:
    values = {0: 9, 1: 5, 2: 7}
    frames = [AnimationFrame(2, 2), AnimationFrame(1, 1, disposal=disposal), AnimationFrame(1, 1, 1, 1)]

    def decode(frame: AnimationFrame) -> NDArray[Any]:
        return np.full((frame.rows, frame.columns, 2), values[frames.index(frame)], np.uint8)

    found = composed_frame(frames, 2, np.zeros((2, 2, 2), np.uint8), decode)
    assert found[..., 0].tolist() == [[left, 9], [9, 7]]


def test_frames_that_nothing_shows_through_begin_afresh() -> None:
    asked: list[int] = []
    frames = [AnimationFrame(2, 2, left=0) for _ in range(100)]

    def decode(_: AnimationFrame) -> NDArray[Any]:
        asked.append(1)
        return np.ones((2, 2, 2), np.uint8)

    composed_frame(frames, 99, np.zeros((2, 2, 2), np.uint8), decode)
    assert len(asked) == 1


def fctl(number: int, rows: int, columns: int, top: int = 0, left: int = 0, dispose: int = 0, blend: int = 0) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, columns, rows, left, top, 1, 10, dispose, blend))


def moving(samples: NDArray[Any], bits: int, *rest: bytes, frames: int = 2) -> bytes:
    """A grey PNG whose default image is no frame."""
    rows, columns = samples.shape[:2]
    data = chunk(b"IDAT", zlib.compress(lines(samples, bits)))
    said = chunk(b"acTL", struct.pack(">II", frames, 0))
    return b"".join((SIGNATURE, ihdr(columns, rows, bits, 0), said, data, *rest, chunk(b"IEND")))


def fdat(number: int, samples: NDArray[Any], bits: int) -> bytes:
    return chunk(b"fdAT", number.to_bytes(4, "big") + zlib.compress(lines(samples, bits)))


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_frames_keep_the_depth_of_the_picture(bits: int) -> None:
    still, first, second = noise((5, 6, 1), bits, 1), noise((5, 6, 1), bits, 2), noise((2, 3, 1), bits, 3)
    body = moving(still, bits, fctl(0, 5, 6), fdat(1, first, bits), fctl(2, 2, 3, 1, 2), fdat(3, second, bits))
    images = [decode_web(body, ID.with_frame(number)) for number in (1, 2, 3)]
    expected = first[..., 0].copy()
    expected[1:3, 2:5] = second[..., 0]
    for image, pixels in zip(images, (still[..., 0], first[..., 0], expected), strict=True):
        np.testing.assert_array_equal(image.pixels, pixels)
        assert (image.bits_stored, image.number_of_frames) == (bits, 3)
    assert images[0].alpha is None
    assert images[2].alpha is not None
    assert (images[2].alpha == (1 << bits) - 1).all()


FRAME = noise((5, 6, 1))


@pytest.mark.parametrize(
    ("rest", "frames", "message"),
    [
        ([fctl(0, 5, 6), fdat(1, FRAME, 8)], 2, "has 1 frames and says 2"),
        ([fctl(0, 5, 6), fdat(2, FRAME, 8)], 1, "no chunk number 1"),
        ([fctl(0, 5, 6, 1), fdat(1, FRAME, 8)], 1, "does not lie within"),
        ([fctl(0, 0, 6), fdat(1, FRAME, 8)], 1, "does not lie within"),
        ([fctl(0, 5, 6, dispose=3), fdat(1, FRAME, 8)], 1, "disposal 3"),
        ([fdat(0, FRAME, 8)], 0, "in front of its first frame"),
        ([fctl(0, 5, 6), fdat(1, FRAME, 8), fctl(2, 5, 6)], 2, "frame 2 .* no data"),
        ([chunk(b"fcTL", bytes(8))], 1, "fcTL chunk of 8 bytes"),
    ],
)
def test_animations_that_cannot_be_are_refused(rest: list[bytes], frames: int, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        open_web(moving(FRAME, 8, *rest, frames=frames))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_frames_have_a_limit(form: str) -> None:
    first, *more = stills(4)
    body = saved(first, form, save_all=True, append_images=more, duration=40)
    with pytest.raises(LimitError, match="frames=3"):
        open_web(body, limits=Limits(frames=3))


def test_a_cut_webp_says_how_much_is_missing() -> None:
    body = saved(stills(1)[0], "WEBP", lossless=True)
    with pytest.raises(TruncatedError, match="7 bytes too early"):
        open_web(body[:-7])
