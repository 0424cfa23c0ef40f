"""GIF and BMP, decoded by Pillow: their blocks and sizes are proven first (GIF89a; BITMAPINFOHEADER)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError, SplitError, TruncatedError
from cornerstream.operators.codecs.guards import translated
from cornerstream.operators.web_page import WebPage, WebSamples, check_page

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from cornerstream.images.limits import Limits

GIF_SIGNATURES = (b"GIF87a", b"GIF89a")
BMP_SIGNATURE = b"BM????\0\0\0\0"
_TRAILER, _EXTENSION, _IMAGE = 0x3B, 0x21, 0x2C
_BMP = struct.Struct("<IIiiHHI")  # offset of the pixels, header size, width, height, planes, bits, compression
_RGB, _MASKS = 0, (3, 6)
_BMP_BITS = (1, 4, 8, 16, 24, 32)


@dataclass(frozen=True, slots=True)
class GifPage:
    """Decodes one frame of a GIF, over those before it that show."""

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode it, and what it lies on."""
        del out
        from PIL.GifImagePlugin import GifImageFile  # noqa: PLC0415 - only who has a GIF pays for importing it

        with translated("Pillow"), GifImageFile(BytesIO(body)) as picture:
            picture.seek(index)
            return _samples(picture, colour=True)


@dataclass(frozen=True, slots=True)
class BmpPage:
    """Decodes a BMP.

    Attributes:
        colour: It is RGB.
    """

    colour: bool

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode it."""
        del index, out
        from PIL.BmpImagePlugin import BmpImageFile  # noqa: PLC0415 - only who has a BMP pays for importing it

        with translated("Pillow"), BmpImageFile(BytesIO(body)) as picture:
            return _samples(picture, colour=self.colour)


def open_gif(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a GIF complete and describe its frames.

    Raises:
        TruncatedError: It ends before its trailer.
        SplitError: Its blocks contradict each other.
        LimitError: It is above a limit.
    """
    count = _gif_frames(body)
    if count > limits.frames:
        raise LimitError(f"the GIF has {count} frames, above the limit frames={limits.frames}")
    columns, rows = struct.unpack_from("<HH", body, 6)
    page = WebPage(rows, columns, 8, 12, GifPage(), colour=True, found="PALETTE COLOR", holds_lock=True)
    check_page(page, limits)
    return (page,) * count


def open_bmp(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a BMP complete and describe it.

    Raises:
        TruncatedError: It ends before its last row.
        SplitError: Its pixels begin within its header.
        DecodeError: It is compressed, or of a kind that is not decoded.
        LimitError: It is above a limit.
    """
    if len(body) < 10 + _BMP.size:
        raise TruncatedError(f"the BMP of {len(body)} bytes ends within its header")
    offset, size, columns, height, planes, bits, compression = _BMP.unpack_from(body, 10)
    rows = abs(height)
    if size < 40 or planes != 1 or bits not in _BMP_BITS or columns < 1:
        raise DecodeError(f"a BMP with a header of {size} bytes and {bits} bits a pixel is not decoded")
    if compression != _RGB and not (compression in _MASKS and bits in (16, 32)):
        raise DecodeError(f"a BMP with compression {compression} is not decoded; save it as PNG")
    colour = not (bits <= 8 and _is_grey(body, size, bits, offset))
    page = WebPage(
        rows, columns, 8, 8, BmpPage(colour), colour=colour, found="RGB" if colour else "MONOCHROME2", holds_lock=True
    )
    check_page(page, limits)
    end = offset + rows * (-(-columns * bits // 32) * 4)
    if offset < 14 + size:
        raise SplitError(f"the pixels of the BMP begin at byte {offset}, within its header")
    if end > len(body):
        raise TruncatedError(f"the BMP ends {end - len(body)} bytes too early, at byte {len(body)}")
    return (page,)


def _gif_frames(body: bytes) -> int:
    """Walk the blocks to the trailer; the number of pictures among them."""
    if len(body) < 13:
        raise TruncatedError(f"the GIF of {len(body)} bytes ends within its header")
    position, count = 13 + _table_bytes(body[10]), 0
    while (kind := _byte(body, position)) != _TRAILER:
        if kind == _EXTENSION:
            position = _behind_blocks(body, position + 2)
        elif kind == _IMAGE:
            position = _behind_blocks(body, position + 11 + _table_bytes(_byte(body, position + 9)))
            count += 1
        else:
            raise SplitError(f"no GIF block begins at byte {position} (there is {kind:02X})")
    if not count:
        raise SplitError("the GIF has no picture among its blocks")
    return count


def _table_bytes(flags: int) -> int:
    """Bytes of a colour table: 3 for each of 2 to 256 entries, if it is there."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(body: bytes, position: int) -> int:
    while length := _byte(body, position):
        position += 1 + length
    return position + 1


def _byte(body: bytes, position: int) -> int:
    if position >= len(body):
        raise TruncatedError(f"the GIF of {len(body)} bytes ends before its trailer")
    return body[position]


def _is_grey(body: bytes, size: int, bits: int, offset: int) -> bool:
    """The palette is the grey levels in their order, as Pillow finds it."""
    used = int.from_bytes(body[46:50], "little") or 1 << bits
    table = np.frombuffer(body[14 + size : min(offset, 14 + size + 4 * used)], np.uint8)
    table = table[: len(table) // 4 * 4].reshape(-1, 4)[:, :3]
    levels = np.arange(len(table)) * (255 if len(table) == 2 else 1)
    return len(table) in (2, 256) and bool((table == levels[:, None]).all())


def _samples(picture: ImageFile, *, colour: bool) -> WebSamples:
    if not colour:
        return WebSamples(np.array(picture.convert("L")))
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return WebSamples(np.array(picture))
    rgba = np.array(picture.convert("RGBA"))
    alpha = np.ascontiguousarray(rgba[..., 3])
    return WebSamples(np.ascontiguousarray(rgba[..., :3]), None if (alpha == 255).all() else alpha)
