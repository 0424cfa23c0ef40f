"""From a series to one array: allocated once, each image decoded straight into its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cornerstream.images.display import to_modality
from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.images.pixel_target import PixelTarget
from cornerstream.images.volume import Place as PlaceInSpace
from cornerstream.members import Member
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.stream_order import plan_of
from cornerstream.stream_window import Bounds, ImageFailure, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cornerstream.engine import Engine
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.limits import Limits
    from cornerstream.images.subscriptions import Observer
    from cornerstream.load import Load
    from cornerstream.series import Series
    from cornerstream.stream_order import Place
    from cornerstream.stream_progress import Meter, ProgressBoard
    from cornerstream.wanted import Upcoming

_BOUNDS = Bounds(images=8, nbytes=32 << 20, in_order=False)
_AT_ONCE = (
    1 << 20
)  # bytes of modality values that are computed on the loop: it takes less time than the way to a worker
_BLOCK = 1 << 20  # bytes of the array that are computed at once


class LoadMaker(Protocol):
    """Makes a load of the session."""

    def __call__(
        self, image_id: ImageId, rank: Rank, /, *, keep: bool, target: PixelTarget | None, reads: bool
    ) -> Load:
        """A load at a rank, its pixels where they are wanted."""
        ...


@dataclass(frozen=True, slots=True)
class ArrayWish:
    """What array is wanted.

    Attributes:
        modality: Values after the modality LUT; else stored values.
        dtype: Of the array; `None` is that of the stored values, and float32 for modality values.
        out: The array to fill; its dtype holds.
        lane: The lane of the loads.
    """

    modality: bool = False
    dtype: np.dtype[np.generic] | None = None
    out: NDArray[np.generic] | None = None
    lane: Lane = Lane.PREFETCH


class ArrayRun:
    """Fills one array. Touched on the loop only.

    The first image says how large the array is; the others are loaded into it, in the order of their coming.

    Args:
        engine: Whose lanes, workers and limits hold.
        load: Makes a load of the session, of its first image.
        series: What is loaded.
        wish: What array is wanted.
        board: Shows how far it is.

    """

    def __init__(self, engine: Engine, load: LoadMaker, series: Series, wish: ArrayWish, board: ProgressBoard) -> None:
        self._engine = engine
        self._load = load
        self._series = series
        self._wish = wish
        self._board = board
        self._array: NDArray[np.generic] | None = None
        self._window: Window | None = None
        self._first: Load | None = None
        self._places: dict[int, PlaceInSpace] = {}

    @property
    def places_in_order(self) -> list[PlaceInSpace]:
        """Where the images lie, as they say themselves; once all are here."""
        return [self._places[index] for index in range(len(self._series))]

    async def run(self) -> NDArray[np.generic]:
        """Fill it.

        Raises:
            ImageLoadError: An image could not be had, or does not fit the others; the error names it.
            LimitError: The array would be larger than `limits.volume_bytes`, or than memory.
            ValueError: There are no images, or `out` has not their shape.
        """
        if not len(self._series):
            raise ValueError("a series without images is no array")
        meter = self._board.begin(self._under_way)
        plan = plan_of([self._series])
        meter.total = len(plan)
        try:
            upcoming = self._engine.resources.announce(plan.image_ids, self._wish.lane, plan.series)
            with upcoming:
                places = iter(plan)
                await self._begin(next(places), upcoming, meter)
                self._window = Window(places, self._engine.loads, partial(self._want, upcoming), _BOUNDS)
                await self._fill(self._window, meter)
            assert self._array is not None
            return self._array
        finally:
            self._end(meter)

    def _end(self, meter: Meter) -> None:
        if self._window is not None:
            meter.ahead, meter.received = len(self._window), meter.received + self._window.bytes_received
            self._window.close()
        self._array = None  # whoever keeps this object, as an error's traceback or the progress does, keeps no array
        self._board.end(meter)

    async def _begin(self, place: Place, upcoming: Upcoming, meter: Meter) -> None:
        """Load the first image, which somebody waits for; it tells what array is needed."""
        lane = Lane.INTERACTION if self._wish.lane == Lane.PREFETCH else self._wish.lane
        self._first = self._load(place.image_id, Rank(lane), keep=False, target=None, reads=True)
        upcoming.position += 1
        image = await self._first
        received, self._first = self._first.bytes_received, None
        self._array = array_for(len(self._series), image, self._wish, self._engine.options.limits)
        await self._take(place, image, received, meter)

    async def _fill(self, window: Window, meter: Meter) -> None:
        window.fill()
        while window:
            place, outcome, received = await window.take()
            window.fill()
            if isinstance(outcome, ImageFailure):
                meter.failed += 1
                raise outcome.error
            meter.ahead = len(window)
            await self._take(place, outcome, received, meter)

    async def _take(self, place: Place, image: Image, received: int, meter: Meter) -> None:
        """An image is here: put it where it belongs, unless its decoder has."""
        assert self._array is not None
        out = self._array[place.index]
        if self._wish.modality:
            await self._put_modality(image, out)
        else:
            put(image, out)
        self._places[place.index] = PlaceInSpace.of(image)
        meter.received += received
        meter.done += 1
        meter.pixel_bytes += out.nbytes
        self._board.changed(meter)

    async def _put_modality(self, image: Image, out: NDArray[np.generic]) -> None:
        work = partial(put, image, out, modality=True)
        if out.nbytes <= _AT_ONCE:
            work()
            return
        filled = await self._engine.workers.run(work, rank=RankCell(Rank(self._wish.lane)))
        if filled is not out:  # the worker is a process, and filled a copy
            np.copyto(out, filled)

    def _want(self, upcoming: Upcoming, place: Place, observer: Observer[Image]) -> Member:
        rank = Rank(self._wish.lane, upcoming.position)
        upcoming.position += 1
        assert self._array is not None
        target = None if self._wish.modality else PixelTarget(self._array[place.index])
        return Member(place.image_id, observer, RankCell(rank), keep=False, target=target, reads=True)

    def _under_way(self) -> int:
        first = 0 if self._first is None else self._first.bytes_received
        return first + (0 if self._window is None else self._window.bytes_received)


def array_for(count: int, first: Image, wish: ArrayWish, limits: Limits) -> NDArray[np.generic]:
    """The array that a series needs, by its first image: images × rows × columns, or images × rows × columns × 3.

    Raises:
        LimitError: It would be larger than `limits.volume_bytes`, or than memory.
        ValueError: `out` has another shape.
    """
    shape = (count, *first.pixels.shape)
    if wish.out is not None:
        if wish.out.shape != shape:
            raise ValueError(f"`out` has the shape {wish.out.shape}, the series needs {shape}")
        return wish.out
    usual = np.dtype(np.float32) if wish.modality else first.pixels.dtype
    dtype = usual if wish.dtype is None else wish.dtype
    nbytes = math.prod(shape) * dtype.itemsize
    what = f"an array of {' × '.join(map(str, shape))} {dtype} is {nbytes} bytes"
    if nbytes > limits.volume_bytes:
        raise LimitError(f"{what}, above the limit volume_bytes={limits.volume_bytes}", image_id=first.image_id)
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise LimitError(f"{what}, more than there is memory", image_id=first.image_id) from error


def put(image: Image, out: NDArray[np.generic], *, modality: bool = False) -> NDArray[np.generic]:
    """Write the values of an image into `out`, unless they are there already; that array.

    Raises:
        DecodeError: `out` has another shape, or its dtype cannot hold one of the values.
    """
    if not modality or out.shape != image.pixels.shape:
        image.placed(PixelTarget(out))
        return out
    try:
        for rows in _blocks(out):  # so that float64 is never needed for more than a block
            PixelTarget(out[rows]).place(to_modality(image, image.pixels[rows]))
    except DecodeError as error:
        error.about(image.image_id)
        raise
    return out


def _blocks(out: NDArray[np.generic]) -> Iterator[slice]:
    rows = max(1, _BLOCK * len(out) // max(1, out.nbytes))
    return (slice(first, first + rows) for first in range(0, len(out), rows))


def reorder(array: NDArray[np.generic], order: Sequence[int]) -> None:
    """Put `array[order[i]]` at i, for all i, with room for one image beside the array."""
    done = [False] * len(order)
    for start in range(len(order)):
        if done[start] or order[start] == start:
            continue
        held, index = array[start].copy(), start
        while order[index] != start:
            array[index] = array[order[index]]
            done[index], index = True, order[index]
        array[index], done[index] = held, True
