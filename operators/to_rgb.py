"""Colour frames to RGB: YBR_FULL, YBR_FULL_422, YBR_RCT, YBR_ICT and PALETTE COLOR (PS3.3 C.7.6.3.1.2, C.7.6.3.1.5)."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from reactivex import Subject
from reactivex import operators as ops
from reactivex.abc import DisposableBase
from reactivex.disposable import SingleAssignmentDisposable

from cornerstream.images.errors import DecodeError
from cornerstream.images.stage import Stage, follow
from cornerstream.operators.map_ordered import map_ordered

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.metadata import LookupTable, Palette
    from cornerstream.operators.protocols import Workers

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
_ONE_SAMPLE = _GREY | {"PALETTE COLOR"}
_RGB_ALREADY = frozenset({"RGB", "YBR_RCT", "YBR_ICT"})  # a codec has undone its own transform
_YBR = frozenset({"YBR_FULL", "YBR_FULL_422"})  # chroma is there for every pixel by now


def convert_to_rgb(frame: DecodedFrame) -> DecodedFrame:
    """Convert a colour frame to RGB; grey and RGB frames pass unchanged.

    Returns:
        Rows × columns × 3; uint8 for a palette (the high byte of wider entries), else the dtype that came in.

    Raises:
        DecodeError: The photometric interpretation is not convertible, contradicts the samples, or has no palette.
    """
    if not needs_conversion(frame):
        return frame
    start = perf_counter()
    pixels = _rgb(frame)
    timings = {**frame.timings, "to_rgb": perf_counter() - start}
    return replace(frame, pixels=pixels, photometric_interpretation="RGB", timings=timings)


def needs_conversion(frame: DecodedFrame) -> bool:
    """The frame is neither grey of one sample nor RGB of three."""
    colour = frame.pixels.ndim == 3
    return frame.photometric_interpretation != "RGB" if colour else frame.photometric_interpretation not in _GREY


def to_rgb(workers: Workers | None = None) -> Callable[[Observable[DecodedFrame]], Observable[DecodedFrame]]:
    """Convert colour frames to RGB.

    ::

        frames   a──B──c──|    B needs arithmetic
        result   a────B─c─|

    Order is the source's; frames that need no arithmetic pass at once, unless one before them is still with a worker;
    the first error ends the sequence; dispose drops what a worker has.

    Args:
        workers: Where frames are converted; on the loop, synchronously, if there are none.
    """
    if workers is None:
        return ops.map(convert_to_rgb)

    async def convert(frame: DecodedFrame) -> DecodedFrame:
        """Hand over what needs arithmetic."""
        if not needs_conversion(frame):
            return frame
        return await workers.run(convert_to_rgb, frame)

    return _beside(needs_conversion, map_ordered(convert))


def ybr_to_rgb(ybr: NDArray[np.generic], bits: int = 8) -> NDArray[np.generic]:
    """Full range YCbCr to RGB (PS3.3 C.7.6.3.1.2), within 1 of the formula.

    Args:
        ybr: Rows × columns × 3, unsigned.
        bits: Bits of a sample; zero chroma is the middle of their range.
    """
    if ybr.dtype != np.uint8 or bits != 8:
        return _ybr_words_to_rgb(ybr, bits)
    from PIL import Image  # noqa: PLC0415 - Pillow is not imported before it is needed

    size = ybr.shape[1], ybr.shape[0]
    # Pillow has the integer tables of libjpeg: a quarter of the time of the same in numpy.
    return np.array(Image.frombuffer("YCbCr", size, np.ascontiguousarray(ybr), "raw", "YCbCr", 0, 1).convert("RGB"))


def apply_palette(indices: NDArray[np.generic], palette: Palette) -> NDArray[np.uint8]:
    """Stored values through a palette: rows × columns × 3, uint8.

    Values below the first mapped one take the first entry, values beyond the last one the last (PS3.3 C.7.6.3.1.5).
    """
    channels = palette.red, palette.green, palette.blue
    if len({(len(table.values), table.first_value) for table in channels}) == 1:
        entries = np.stack([_high_byte(table) for table in channels], axis=-1)
        return entries.take(_positions(indices, palette.red), axis=0)
    return np.stack([_high_byte(table).take(_positions(indices, table)) for table in channels], axis=-1)


def _rgb(frame: DecodedFrame) -> NDArray[np.generic]:
    photometric, palette = frame.photometric_interpretation, frame.metadata.palette
    colour = frame.pixels.ndim == 3
    if colour == (photometric in _ONE_SAMPLE):
        raise DecodeError(
            f"Photometric Interpretation {photometric!r} contradicts {3 if colour else 1} sample(s) a pixel"
        )
    if photometric == "PALETTE COLOR":
        if palette is None:
            raise DecodeError("a PALETTE COLOR frame has no palette (PS3.3 C.7.9)")
        return apply_palette(frame.pixels, palette)
    if photometric in _RGB_ALREADY:
        return frame.pixels
    if photometric in _YBR and frame.pixels.dtype.kind == "u":
        return ybr_to_rgb(frame.pixels, frame.metadata.bits_stored)
    raise DecodeError(f"Photometric Interpretation {photometric!r} of {frame.pixels.dtype} cannot be converted to RGB")


def _ybr_words_to_rgb(ybr: NDArray[np.generic], bits: int) -> NDArray[np.generic]:
    """The formula in floating point, for what is rare: other than 8 bits."""
    top, middle = (1 << bits) - 1, 1 << (bits - 1)
    luma, blue, red = np.moveaxis(ybr.astype(np.float64), -1, 0)
    blue, red = blue - middle, red - middle
    rgb = np.stack((luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue), axis=-1)
    whole: NDArray[np.generic] = np.clip(np.rint(rgb), 0, top).astype(ybr.dtype)
    return whole


def _positions(indices: NDArray[np.generic], table: LookupTable) -> NDArray[np.intp]:
    return np.clip(indices.astype(np.intp) - table.first_value, 0, len(table.values) - 1)


def _high_byte(table: LookupTable) -> NDArray[np.uint8]:
    return (table.values >> max(table.bits - 8, 0)).astype(np.uint8)


def _beside(
    is_slow: Callable[[DecodedFrame], bool],
    slow: Callable[[Observable[DecodedFrame]], Observable[DecodedFrame]],
) -> Callable[[Observable[DecodedFrame]], Observable[DecodedFrame]]:
    """Send slow frames, and those that come while one is out, through `slow`; all others pass at once."""

    def operator(source: Observable[DecodedFrame]) -> Observable[DecodedFrame]:
        def subscribe(observer: ObserverBase[DecodedFrame], scheduler: SchedulerBase | None = None) -> DisposableBase:
            run = _Detour(observer, is_slow, slow)
            run.upstream = follow(source, run, scheduler)
            return run

        return Stage(subscribe)

    return operator


class _Detour(DisposableBase):
    """One subscription of `_beside`; the way through `slow` is made for the first frame that needs it."""

    def __init__(
        self,
        observer: ObserverBase[DecodedFrame],
        is_slow: Callable[[DecodedFrame], bool],
        slow: Callable[[Observable[DecodedFrame]], Observable[DecodedFrame]],
    ) -> None:
        self.upstream: DisposableBase | None = None
        self._way: SingleAssignmentDisposable | None = None
        self._observer = observer
        self._is_slow = is_slow
        self._slow = slow
        self._entry: Subject[DecodedFrame] | None = None
        self._out = 0

    def dispose(self) -> None:
        for one in (self.upstream, self._way):
            if one is not None:
                one.dispose()

    def on_next(self, frame: DecodedFrame) -> None:
        if not self._out and not self._is_slow(frame):
            self._observer.on_next(frame)
            return
        if self._entry is None:
            self._entry = Subject()
            self._way = SingleAssignmentDisposable()
            self._way.disposable = self._entry.pipe(self._slow).subscribe(
                self._back, self._observer.on_error, self._observer.on_completed
            )
        self._out += 1
        self._entry.on_next(frame)

    def on_error(self, error: Exception) -> None:
        (self._entry or self._observer).on_error(error)

    def on_completed(self) -> None:
        (self._entry or self._observer).on_completed()

    def _back(self, frame: DecodedFrame) -> None:
        self._out -= 1
        self._observer.on_next(frame)
