"""Animated PNG: each frame is a PNG of its own, laid over those before it (W3C PNG, third edition, 4.9 and 11.3.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.operators.web_animation import AnimationFrame, composed_frame
from cornerstream.operators.web_page import WebPage, WebSamples
from cornerstream.operators.web_png_chunks import PngHeader, chunk_data, png_chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits
    from cornerstream.operators.web_png import PngPage

_FCTL = struct.Struct(">IIIIIHHBB")
_SEQUENCE = 4  # bytes of the number in front of the data of an fdAT chunk


class PngFrames:
    """What the chunks of an animation say, taken one after the other.

    Attributes:
        frames: Its frames; `data` is where their fdAT chunks lie, and empty for the default image.
    """

    def __init__(self) -> None:
        self.frames: list[AnimationFrame] = []
        self._said: int | None = None
        self._sequence = 0

    def take(self, kind: bytes, data: memoryview, start: int) -> None:
        """Note a chunk of the animation.

        Raises:
            SplitError: It is not the one that follows.
        """
        if kind == b"acTL":
            self._said = int.from_bytes(data[:4], "big")
        elif self._said is None or kind not in (b"fcTL", b"fdAT"):
            return
        elif int.from_bytes(data[:_SEQUENCE], "big") != self._sequence:
            raise SplitError(f"the PNG animation has no chunk number {self._sequence} where it should be")
        else:
            self._sequence += 1
            if kind == b"fcTL":
                self._begin(data)
            else:
                self._go_on(start - 8, start + len(data) + 4)

    def checked(self, header: PngHeader, limits: Limits) -> tuple[AnimationFrame, ...]:
        """The frames, once all are there; none of a picture that is not animated.

        Raises:
            SplitError: Some are missing, or do not lie within the picture.
            LimitError: There are more than `limits.frames`.
        """
        frames = tuple(self.frames)
        if (self._said or 0) != len(frames):
            raise SplitError(f"the PNG animation has {len(frames)} frames and says {self._said}")
        if len(frames) > limits.frames:
            raise LimitError(f"the PNG has {len(frames)} frames, above the limit frames={limits.frames}")
        for index, frame in enumerate(frames):
            inside = frame.top + frame.rows <= header.rows and frame.left + frame.columns <= header.columns
            if not (frame.rows and frame.columns and inside):
                raise SplitError(f"frame {index + 1} of the PNG animation does not lie within its picture")
            if frame.data == slice(0, 0) and index:
                raise SplitError(f"frame {index + 1} of the PNG animation has no data")
        return frames

    def _begin(self, data: memoryview) -> None:
        if len(data) != _FCTL.size:
            raise SplitError(f"a PNG fcTL chunk of {len(data)} bytes cannot be")
        _, columns, rows, left, top, _, _, disposal, blend = _FCTL.unpack(data)
        if disposal > 2 or blend > 1:
            raise SplitError(f"no PNG frame has disposal {disposal} and blending {blend}")
        self.frames.append(AnimationFrame(rows, columns, top, left, bool(blend), disposal))

    def _go_on(self, start: int, end: int) -> None:
        if not self.frames:
            raise SplitError("the PNG animation has data in front of its first frame")
        last = self.frames[-1]
        if last.data.stop not in (0, start):
            raise SplitError("the fdAT chunks of a frame of the PNG animation do not follow each other")
        self.frames[-1] = replace(last, data=slice(last.data.start or start, end))


@dataclass(frozen=True, slots=True, eq=False)
class ApngPage:
    """Decodes one frame of an animation, over those before it that show.

    Attributes:
        still: Decodes the default image.
        frames: All frames.
        before: Pages of the file in front of its first frame.
        colour: It is RGB.
    """

    still: PngPage
    frames: tuple[AnimationFrame, ...] = field(repr=False)
    before: int
    colour: bool

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode it, and what it lies on."""
        del out
        header = self.still.header
        opaque = 255 if self.still.palette is not None else (1 << header.bits) - 1
        canvas = np.zeros((header.rows, header.columns, 4 if self.colour else 2), header.dtype)

        def decoded(frame: AnimationFrame) -> NDArray[Any]:
            samples = self._samples(body, frame)
            alpha = np.full(samples.pixels.shape[:2], opaque) if samples.alpha is None else samples.alpha
            return np.dstack((samples.pixels, alpha.astype(header.dtype, copy=False)))

        shown = composed_frame(self.frames, index - self.before, canvas, decoded, opaque)
        pixels = shown[..., :-1] if self.colour else shown[..., 0]
        return WebSamples(np.ascontiguousarray(pixels), np.ascontiguousarray(shown[..., -1]))

    def _samples(self, body: bytes, frame: AnimationFrame) -> WebSamples:
        if frame.data == slice(0, 0):
            return self.still.decode(body, 0, None)
        data = png_chunk(b"IDAT", chunk_data(memoryview(body)[frame.data], skip=_SEQUENCE))
        header = replace(self.still.header, rows=frame.rows, columns=frame.columns)
        return replace(self.still, header=header, data=slice(0, len(data))).decode(data, 0, None)


def animated(page: WebPage, still: PngPage, frames: tuple[AnimationFrame, ...]) -> tuple[WebPage, ...]:
    """The default image, and the frames that are not it."""
    before = 0 if frames and frames[0].data == slice(0, 0) else 1
    samples = page.samples + 2 * (4 if page.colour else 2)
    moving = replace(page, codec=ApngPage(still, frames, before, page.colour), samples=samples)
    return (page, *(moving,) * (len(frames) + before - 1))
