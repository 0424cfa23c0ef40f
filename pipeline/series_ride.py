"""A load that comes with its series: unless something speaks for it, its loader is not even asked.

::

    retrieval   ──A──B──C──D──|
    rides       ────a──b──c───     decoded as they come
                         D is looked at ──▶ its loader

What a load of its own needs (its world, its stages, its requests) costs more than all that is done for a small image.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Protocol

from reactivex.abc import DisposableBase

from cornerstream.operators.bridge import running_tasks
from cornerstream.series_waiter import SeriesWaiter
from cornerstream.waiting import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject, Progress
    from cornerstream.images.subscriptions import Observer
    from cornerstream.ranks import RankCell

    Decode = Callable[[EncodedFrame, ImageId, RankCell], Image | asyncio.Future[Image]]

    class Bus(Protocol):
        """The series that it comes with."""

        def board(self, ride: Ride, /) -> bool:
            """Give it the frame that is here, or let it wait; false where neither is to be had."""
            ...

        def leave(self, ride: Ride, /) -> None:
            """Let it wait no longer, if it does."""
            ...


class Ride(SeriesWaiter, DisposableBase):
    """One load that comes with its series. Subscribe to it once, and at once; disposing lets go of it wherever it is.

    Args:
        image_id: The image.
        uid: Its SOP Instance UID.
        rank: How soon it is wanted.
        on_progress: Hears of bytes.
        series: What brings it.
        decode: Makes the image of its frame, at once or soon.
        loader: Asked when the series does not bring it.
    """

    __slots__ = ("_call", "_decode", "_image_id", "_loader", "_series", "_upstream")

    def __init__(
        self,
        image_id: ImageId,
        uid: str,
        rank: RankCell,
        on_progress: Callable[[Progress], None],
        series: Bus,
        decode: Decode,
        loader: Callable[[], ImageLoadObject],
    ) -> None:
        super().__init__(NOBODY, rank, on_progress, uid, None)
        self._image_id = image_id
        self._series = series
        self._decode = decode
        self._loader = loader
        self._call: asyncio.Future[Image] | None = None
        self._upstream: DisposableBase | None = None

    def subscribe(self, observer: Observer[Image]) -> DisposableBase:
        """Take the place in the series."""
        self.observer = observer
        if not self._series.board(self):
            self.go_alone(running_tasks.get())
        return self

    def receive(self, frame: EncodedFrame) -> None:
        """Its frame is here: make an image of it."""
        if self.observer is NOBODY:
            return  # it left when another one heard of the same frame
        try:
            made = self._decode(self.timed(frame), self._image_id, self.rank)
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises is the load's to hear of
            self.observer.on_error(error)
            return
        if isinstance(made, asyncio.Future):
            self._call = made
            made.add_done_callback(self._decoded)
        else:
            self.succeed(made)

    def go_alone(self, tasks: set[asyncio.Task[Any]] | None) -> None:
        """Ask the loader: the series does not bring it, or not soon enough."""
        if self.observer is NOBODY:
            return
        token = running_tasks.set(tasks)
        try:
            self._upstream = self._loader().subscribe(self.observer)
        except Exception as error:  # noqa: BLE001 - a loader may raise anything; its subscribers hear of it
            self.observer.on_error(error)
        finally:
            running_tasks.reset(token)

    def dispose(self) -> None:
        """Leave the series, the workers or the loader."""
        self.observer = NOBODY
        call, self._call = self._call, None
        upstream, self._upstream = self._upstream, None
        if call is not None:
            call.cancel()
        if upstream is not None:
            upstream.dispose()
        self._series.leave(self)

    def _decoded(self, made: asyncio.Future[Image]) -> None:
        self._call = None
        error = CancelledError() if made.cancelled() else made.exception()
        if error is None:
            self.succeed(made.result())
        elif isinstance(error, Exception):
            self.observer.on_error(error)
        else:
            raise error  # it is the program's, and ends the loop
