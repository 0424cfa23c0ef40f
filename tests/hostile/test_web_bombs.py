"""Pictures that would take gigabytes: typed errors, and memory as it was."""

from __future__ import annotations

import struct
import zlib
from time import process_time
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import DecodeError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.web_image import decode_web
from tests.support.memory import MIB, growth_of
from tests.support.pictures import SIGNATURE, chunk, grey_png, ihdr, noise, saved

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 30_000
_ALLOWED = 40 * MIB  # the decoder's module, and a profile up to its limit while it is joined


def deflated_zeros(count: int) -> bytes:
    """Zeros, deflated: each mebibyte like the one before it."""
    deflate = zlib.compressobj(9)
    first, again = (deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * (count // MIB) + deflate.flush()


def png_bomb() -> bytes:
    """30,000 × 30,000 in a real deflate stream."""
    return SIGNATURE + ihdr(SIZE, SIZE, 8, 0) + chunk(b"IDAT", deflated_zeros(SIZE * (SIZE + 1))) + chunk(b"IEND")


def palette_bomb() -> bytes:
    """One bit a pixel in the file, three bytes a pixel expanded."""
    data = chunk(b"PLTE", bytes(6)) + chunk(b"IDAT", deflated_zeros(SIZE * SIZE // 8)) + chunk(b"IEND")
    return SIGNATURE + ihdr(SIZE, SIZE, 1, 3) + data


def interlaced_bomb() -> bytes:
    """Small by its header, and gigabytes in its data."""
    return SIGNATURE + ihdr(9, 9, 8, 0, 1) + chunk(b"IDAT", deflated_zeros(1 << 30)) + chunk(b"IEND")


def text_bomb() -> bytes:
    """A profile of a gigabyte."""
    return grey_png(4, 4, chunk(b"iCCP", b"n\0\0" + deflated_zeros(1 << 30)))


def jpeg_bomb() -> bytes:
    """65,000 × 65,000 in some bytes."""
    body = bytearray(saved(noise((8, 8)), "JPEG"))
    at = body.index(b"\xff\xc0")
    struct.pack_into(">HH", body, at + 5, 65_000, 65_000)
    return bytes(body)


def thin_jpeg() -> bytes:
    """Below the limit by its header, and its scan is far too short."""
    body = bytearray(saved(noise((8, 8)), "JPEG"))
    struct.pack_into(">HH", body, body.index(b"\xff\xc0") + 5, 16_000, 16_000)
    return bytes(body)


def gif_bomb() -> bytes:
    """A canvas of 65,535 × 65,535."""
    body = bytearray(saved(noise((8, 8)), "GIF"))
    struct.pack_into("<HH", body, 6, 65_535, 65_535)
    return bytes(body)


def tiff_bomb() -> bytes:
    """A million strips that the directory says, and the file has not."""
    entries = ((256, 4, 1, 1), (257, 4, 1, 1 << 27), (258, 3, 1, 8), (259, 3, 1, 5), (262, 3, 1, 1),
               (273, 4, 1 << 27, 8), (278, 4, 1, 1), (279, 4, 1 << 27, 8))  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4)


def webp_bomb() -> bytes:
    """An animation with a canvas of 16,777,216 × 16,777,216."""
    frame = struct.pack("<4sI", b"VP8L", 6) + b"\x2f\0\0\0\0\0"
    anmf = struct.pack("<4sI", b"ANMF", 16 + len(frame)) + bytes(16) + frame
    canvas = struct.pack("<4sI4s", b"VP8X", 10, b"\2\0\0\0") + b"\xff" * 6
    return struct.pack("<4sI4s", b"RIFF", 4 + len(canvas) + len(anmf), b"WEBP") + canvas + anmf


BOMBS = {
    png_bomb: LimitError,
    palette_bomb: LimitError,
    interlaced_bomb: DecodeError,
    text_bomb: LimitError,
    jpeg_bomb: LimitError,
    thin_jpeg: DecodeError,
    gif_bomb: LimitError,
    tiff_bomb: TruncatedError,
    webp_bomb: LimitError,
}


def outcome(mark: Callable[[], None], name: str) -> str:
    body: bytes = globals()[name]()
    decode_web(grey_png(), ImageId.parse("web:/warm"))
    mark()
    try:
        decode_web(body, ImageId.parse("web:/bomb"))
    except ImageLoadError as error:
        return type(error).__name__
    return "a picture"


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_bombs_end_in_typed_errors_with_memory_as_it_was(bomb: Callable[[], bytes]) -> None:
    growth = growth_of(outcome, bomb.__name__)
    assert growth.result == BOMBS[bomb].__name__
    assert growth.nbytes < _ALLOWED


def long_runs() -> bytes:
    """A JPEG of fill bytes that no marker follows."""
    return b"\xff\xd8" + b"\xff" * (1 << 20) + bytes(9)


def runs_in_a_scan() -> bytes:
    """The same inside its scan."""
    body = saved(noise((8, 8)), "JPEG")
    return body[:-2] + b"\xff" * (1 << 20) + bytes(9)


def strips(count: int, fill_orders: int, pages: int = 1) -> bytes:
    """A TIFF of strips of one pixel, with so many values of FillOrder, and pages that all have the same strips."""
    entries = ((256, 4, 1, 1), (257, 4, 1, count), (258, 3, 1, 1), (259, 3, 1, 8), (262, 3, 1, 1),
               (266, 3, fill_orders, 8), (273, 4, count, 8), (278, 4, 1, 1), (279, 4, count, 8))  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    values = struct.pack("<I", 1) * max(count, fill_orders)
    size, first = 2 + len(table) + 4, 8 + len(values)
    following = [first + size * number for number in range(1, pages)] + [0]
    directories = (struct.pack("<H", len(entries)) + table + struct.pack("<I", one) for one in following)
    return b"II*\0" + struct.pack("<I", first) + values + b"".join(directories)


def strips_of_many_fill_orders() -> bytes:
    return strips(1 << 15, 1 << 18)


def strips_of_many_pages() -> bytes:
    return strips(1 << 15, 1, 1 << 12)


def directories_in_each_other() -> bytes:
    """A TIFF with a directory of 4,096 entries every six bytes: the pointer to the next one lies in the next one's."""
    entries, count = 4096, 20_000
    behind = 2 + 12 * entries  # from a directory's beginning to its pointer, which is 2 more than a multiple of 6
    body = bytearray(8 + behind + 6 * count)
    struct.pack_into("<2sHI", body, 0, b"II", 42, 8)
    for at in range(8, 8 + 6 * count, 6):
        struct.pack_into("<H", body, at, entries)
        struct.pack_into("<I", body, at + behind, at + 6)
    return bytes(body)


@pytest.mark.parametrize(
    "bomb",
    [long_runs, runs_in_a_scan, strips_of_many_fill_orders, strips_of_many_pages, directories_in_each_other],
    ids=lambda bomb: bomb.__name__,
)
def test_what_is_small_is_looked_at_in_little_time(bomb: Callable[[], bytes]) -> None:
    body = bomb()
    began = process_time()
    with pytest.raises(ImageLoadError):
        decode_web(body, ImageId.parse("web:/small"))
    assert process_time() - began < 5


def test_a_million_empty_chunks_take_no_time_to_speak_of() -> None:
    many = chunk(b"IDAT") * (1 << 20)
    body = SIGNATURE + ihdr(4, 4, 8, 0) + many
    began = process_time()
    with pytest.raises((LimitError, TruncatedError, SplitError)):
        decode_web(body, ImageId.parse("web:/chunks"))
    assert process_time() - began < 10
