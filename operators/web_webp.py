"""WebP: its RIFF chunks walked to the end, decoded by libwebp (RFC 9649)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError, SplitError, TruncatedError
from cornerstream.operators.codecs.guards import translated
from cornerstream.operators.web_animation import CLEAR, KEEP, AnimationFrame, composed_frame
from cornerstream.operators.web_exif import read_orientation
from cornerstream.operators.web_page import WebPage, WebSamples, check_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits

SIGNATURE = b"RIFF????WEBP"
_HEADER = 12
_MOST_CHUNKS = 1 << 17
_LOSSY, _LOSSLESS, _ALPHA = b"VP8 ", b"VP8L", b"ALPH"


@dataclass(frozen=True, slots=True)
class WebpPage:
    """Decodes a still WebP; see `open_webp`.

    Attributes:
        alpha: It has an alpha channel.
        end: Where the file ends.
    """

    alpha: bool
    end: int

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode it."""
        del index
        if not self.alpha:
            return WebSamples(_libwebp(body[: self.end], alpha=False, out=out))
        return _apart(_libwebp(body[: self.end], alpha=True))


@dataclass(frozen=True, slots=True)
class WebpAnimationPage:
    """Decodes one frame of an animated WebP, over those before it that show.

    Attributes:
        frames: All frames.
        rows: Height of the canvas.
        columns: Width of the canvas.
    """

    frames: tuple[AnimationFrame, ...] = field(repr=False)
    rows: int
    columns: int

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode it, and what it lies on."""
        del out

        def decoded(frame: AnimationFrame) -> NDArray[Any]:
            return _libwebp(_still(body[frame.data], frame), alpha=True)

        return _apart(composed_frame(self.frames, index, np.zeros((self.rows, self.columns, 4), np.uint8), decoded))


def open_webp(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a WebP complete and describe its picture, or its frames.

    Raises:
        TruncatedError: It ends before its RIFF length says so.
        SplitError: Its chunks contradict each other.
        LimitError: It is above a limit.
    """
    end = 8 + int.from_bytes(body[4:8], "little")
    if end > len(body):
        raise TruncatedError(f"the WebP ends {end - len(body)} bytes too early, at byte {len(body)}")
    chunks = list(_chunks(body, _HEADER, end))
    found: dict[bytes, tuple[int, int]] = {}
    for kind, start, stop in chunks:
        found.setdefault(kind, (start, stop))
    frames = tuple(_frame(body, start, stop) for kind, start, stop in chunks if kind == b"ANMF")
    if frames:
        rows, columns = _canvas(body, found)
        return _animation(frames, rows, columns, limits)
    rows, columns, alpha = _picture(body, found)
    profile = found.get(b"ICCP")
    exif = found.get(b"EXIF", (0, 0))
    page = WebPage(
        rows,
        columns,
        bits=8,
        samples=4 if alpha else 3,
        codec=WebpPage(alpha, end),
        colour=True,
        found="RGB",
        orientation=read_orientation(body[exif[0] : exif[1]]),
        icc_profile=None if profile is None else body[slice(*profile)],
    )
    check_page(page, limits)
    return (page,)


def _animation(frames: tuple[AnimationFrame, ...], rows: int, columns: int, limits: Limits) -> tuple[WebPage, ...]:
    if len(frames) > limits.frames:
        raise LimitError(f"the WebP has {len(frames)} frames, above the limit frames={limits.frames}")
    if any(frame.top + frame.rows > rows or frame.left + frame.columns > columns for frame in frames):
        raise SplitError(f"a frame of the WebP does not lie within its {rows} × {columns} pixels")
    page = WebPage(rows, columns, 8, 8, WebpAnimationPage(frames, rows, columns), colour=True, found="RGB")
    check_page(page, limits)
    return (page,) * len(frames)


def _chunks(body: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the payload lies, of each chunk; one of odd length has a byte of padding."""
    position = start
    for _ in range(_MOST_CHUNKS):
        if position >= end:
            return
        if position + 8 > end:
            raise SplitError("the WebP ends within the header of a chunk")
        kind, length = struct.unpack_from("<4sI", body, position)
        if position + 8 + length > end:
            raise SplitError(f"the WebP chunk {kind!r} of {length} bytes ends behind what it is part of")
        yield kind, position + 8, position + 8 + length
        position += 8 + length + length % 2
    raise LimitError(f"the WebP has more than {_MOST_CHUNKS} chunks")


def _picture(body: bytes, found: dict[bytes, tuple[int, int]]) -> tuple[int, int, bool]:
    """Rows, columns, and whether there is an alpha channel, by the header of the bitstream itself."""
    if _LOSSLESS in found:
        head = body[found[_LOSSLESS][0] : found[_LOSSLESS][1]][:5]
        fields = int.from_bytes(head[1:], "little")
        if len(head) < 5 or head[0] != 0x2F:
            raise DecodeError("the lossless WebP has no header")
        rows, columns, alpha = (fields >> 14 & 0x3FFF) + 1, (fields & 0x3FFF) + 1, bool(fields >> 28 & 1)
    elif _LOSSY in found:
        head = body[found[_LOSSY][0] : found[_LOSSY][1]][:10]
        if len(head) < 10 or head[3:6] != b"\x9d\x01\x2a":
            raise DecodeError("the lossy WebP has no key frame")
        rows, columns = int.from_bytes(head[8:10], "little") & 0x3FFF, int.from_bytes(head[6:8], "little") & 0x3FFF
        alpha = _ALPHA in found
    else:
        raise SplitError("the WebP has no picture among its chunks")
    if b"VP8X" in found and (rows, columns) != _canvas(body, found):
        raise SplitError("the WebP's canvas and its picture have different sizes")
    return rows, columns, alpha


def _canvas(body: bytes, found: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    start, stop = found.get(b"VP8X", (0, 0))
    if stop - start < 10:
        raise SplitError("the WebP has frames and no canvas")
    return _number(body, start + 7) + 1, _number(body, start + 4) + 1


def _frame(body: bytes, start: int, stop: int) -> AnimationFrame:
    """One ANMF chunk: its place, its size, its duration and how it is blended."""
    if stop - start < 16:
        raise SplitError("a frame of the WebP has no header")
    chunks = {kind: (first, last) for kind, first, last in _chunks(body, start + 16, stop)}
    rows, columns, _ = _picture(body, {kind: place for kind, place in chunks.items() if kind != b"VP8X"})
    frame = AnimationFrame(
        rows=_number(body, start + 9) + 1,
        columns=_number(body, start + 6) + 1,
        top=2 * _number(body, start + 3),
        left=2 * _number(body, start),
        over=not body[start + 15] & 2,
        disposal=CLEAR if body[start + 15] & 1 else KEEP,
        data=slice(start + 16, stop),
    )
    if (frame.rows, frame.columns) != (rows, columns):
        raise SplitError("a frame of the WebP and its picture have different sizes")
    return frame


def _still(data: bytes, frame: AnimationFrame) -> bytes:
    """A WebP of one frame; VP8X in front says that there may be an alpha channel."""
    size = (frame.columns - 1).to_bytes(3, "little") + (frame.rows - 1).to_bytes(3, "little")
    extended = struct.pack("<4sI4s", b"VP8X", 10, b"\x10\0\0\0") + size
    return struct.pack("<4sI4s", b"RIFF", 4 + len(extended) + len(data), b"WEBP") + extended + data


def _libwebp(webp: bytes, *, alpha: bool, out: NDArray[np.generic] | None = None) -> NDArray[Any]:
    from imagecodecs import webp_decode  # noqa: PLC0415 - no codec is imported before it is needed

    with translated("libwebp"):
        decoded: NDArray[Any] = webp_decode(webp, hasalpha=alpha, out=out)
    return decoded


def _apart(rgba: NDArray[Any]) -> WebSamples:
    return WebSamples(np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]))


def _number(body: bytes, position: int) -> int:
    return int.from_bytes(body[position : position + 3], "little")
