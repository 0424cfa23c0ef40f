"""Images as a stream: a bounded number of loads ahead, at the pace of whoever reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cornerstream.members import Member
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.stream_faces import StreamFaces
from cornerstream.stream_window import ImageFailure, Window

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from reactivex import Observable

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.images.subscriptions import Observer
    from cornerstream.series import Series
    from cornerstream.stream_faces import Loop
    from cornerstream.stream_order import Place, Plan
    from cornerstream.stream_progress import Meter, ProgressBoard, StreamProgress
    from cornerstream.stream_window import Bounds, Loads
    from cornerstream.wanted import Upcoming

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")


class Source(Protocol):
    """What a stream is of: a plan that is there, or on its way."""

    async def plan(self) -> Plan:
        """The plan."""
        ...

    def __len__(self) -> int:
        """Images in all; may block."""
        ...


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How a stream's loads are made.

    Attributes:
        bounds: What may be ahead of the reader.
        lane: The lane of its loads.
        keep: Images go into the session's cache as well.
        targets: Where the pixels of an image are wanted, by its index in its series.
        announce: Tells the session what a run is going to want, so that what belongs together comes together.
    """

    bounds: Bounds
    lane: Lane
    keep: bool
    targets: Callable[[Place], PixelTarget | None]
    announce: Callable[[Sequence[ImageId], Lane, Sequence[Series]], Upcoming]


@dataclass(frozen=True, slots=True, eq=False)
class Placed(Generic[V]):
    """An image, or its failure, with its place.

    Attributes:
        place: Its series, and its index there.
    """

    place: Place
    value: V


class ImageStream(StreamFaces[T], Generic[T]):
    """The images of a series, or of several: subscribe, `async for`, or plain `for`.

    ::

        image ids   0 1 2 3 4 5 …       so many of them loading or waiting to be read as its bounds allow
        images      ──0──1─2───3──4─5|

    Each subscription or iteration is a run of its own. Memory holds what is ahead and no more: the next load starts when
    an image has been taken. Disposing, or leaving the iteration, cancels what is ahead.

    Args:
        loop: Where it runs.
        source: What it is of.
        loads: The session's.
        options: How loads are made.
        choose: Gives what is handed over of an image or a failure, `None` to leave it out, or raises.
        board: Shows how far it is.

    Attributes:
        placed: The same images, each with its series and its index there.
    """

    def __init__(
        self,
        loop: Loop,
        source: Source,
        loads: Loads,
        options: StreamOptions,
        choose: Callable[[Image | ImageFailure], T | None],
        board: ProgressBoard,
    ) -> None:
        super().__init__(loop, lambda: self._run(_value_of))
        self._source = source
        self._loads = loads
        self._options = options
        self._choose = choose
        self._board = board
        self.placed: StreamFaces[Placed[T]] = StreamFaces(loop, lambda: self._run(Placed))

    def __len__(self) -> int:
        return len(self._source)

    @property
    def progress(self) -> Observable[StreamProgress]:
        """How far the run that began last is, as it goes on; completes with that run."""
        return self._board.observable

    @property
    def progress_now(self) -> StreamProgress:
        """How far the run that began last is; after its end, how far it came."""
        return self._board.now

    async def _run(self, pack: Callable[[Place, T], R]) -> AsyncGenerator[R, None]:
        """The one run behind every face: a window of loads that moves as images are taken."""
        window: Window | None = None
        meter = self._board.begin(lambda: 0 if window is None else window.bytes_received)
        try:
            plan = await self._source.plan()
            meter.total = len(plan)
            upcoming = self._options.announce(plan.image_ids, self._options.lane, plan.series)
            with upcoming:
                window = Window(plan, self._loads, partial(self._want, upcoming), self._options.bounds)
                window.start()
                while window:
                    place, value = await self._take(window, meter)
                    if value is not None:
                        yield pack(place, value)
                        del value  # the reader has it now
        finally:
            if window is not None:
                meter.ahead, meter.received = len(window), meter.received + window.bytes_received
                window.close()
            self._board.end(meter)

    async def _take(self, window: Window, meter: Meter) -> tuple[Place, T | None]:
        """The next image, its successor being loaded already."""
        place, outcome, nbytes = await window.take()
        window.fill()
        meter.received += nbytes
        meter.ahead = len(window)
        if isinstance(outcome, ImageFailure):
            meter.failed += 1
        else:
            meter.done += 1
            meter.pixel_bytes += outcome.nbytes
        self._board.changed(meter)
        return place, self._choose(outcome)

    def _want(self, upcoming: Upcoming, place: Place, observer: Observer[Image]) -> Member:
        first = not upcoming.position and self._options.lane == Lane.PREFETCH
        # Nothing of what follows is asked for before the first image is here: somebody waits for that one.
        rank = Rank(Lane.INTERACTION if first else self._options.lane, upcoming.position)
        upcoming.position += 1
        target, keep = self._options.targets(place), self._options.keep
        return Member(place.image_id, observer, RankCell(rank), keep=keep, target=target, reads=True)


def raising(outcome: Image | ImageFailure) -> Image:
    """End the run with the first failure."""
    if isinstance(outcome, ImageFailure):
        raise outcome.error
    return outcome


def yielding(outcome: Image | ImageFailure) -> Image | ImageFailure:
    """Hand failures over."""
    return outcome


def skipping(outcome: Image | ImageFailure) -> Image | None:
    """Leave failures out; the progress counts them."""
    return None if isinstance(outcome, ImageFailure) else outcome


def _value_of(_: Place, value: V) -> V:
    return value
