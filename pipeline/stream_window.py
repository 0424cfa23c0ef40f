"""The loads ahead of a stream's reader: a bounded number of them, and a bounded number of bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cornerstream.images.errors import ImageLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.subscriptions import Observer
    from cornerstream.members import Member
    from cornerstream.series import Series
    from cornerstream.stream_order import Place


@dataclass(frozen=True, slots=True, eq=False)
class ImageFailure:
    """What a stream hands over in the place of an image that could not be had.

    Attributes:
        index: Its index in its series, from 0.
        error: Why.
        series: Its series.
    """

    image_id: ImageId
    index: int
    error: ImageLoadError
    series: Series


_UNBROKEN = 8  # images taken in one turn of the loop
_HEAD_START_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be ahead of the reader: what is reached first counts.

    Attributes:
        images: Loads, from 1.
        nbytes: Bytes of decoded images, those that are expected included; one load may always be ahead.
        in_order: Images come in the order of their loads; else as they arrive.
    """

    images: int
    nbytes: int
    in_order: bool = True

    def __post_init__(self) -> None:
        if self.images < 1 or self.nbytes < 1:
            raise ValueError(f"ahead is at least 1 image and ahead_bytes at least 1, not {self.images}, {self.nbytes}")


class Loads(Protocol):
    """The loads of a session."""

    def join(self, member: Member, /) -> None:
        """Answer a member, or let it wait."""
        ...

    def leave(self, member: Member, /) -> None:
        """Let it wait no longer."""
        ...


class Window:
    """Loads that are under way, or wait to be read. Touched on the loop only.

    Each is a member of the session's loads itself: a load object, which can be handed to others, costs more than the rest.

    Args:
        places: What to load, in order.
        loads: Where.
        want: Makes the member that wants the image of a place.
        bounds: How many at once.
    """

    def __init__(
        self,
        places: Iterable[Place],
        loads: Loads,
        want: Callable[[Place, Observer[Image]], Member],
        bounds: Bounds,
    ) -> None:
        self._places = iter(places)
        self._next = next(self._places, None)
        self._loads = loads
        self._want = want
        self._bounds = bounds
        self._ahead: dict[_Ahead, None] = {}
        self._arrived: deque[_Ahead] = deque()
        self._nbytes = 0
        self._largest = 0
        self._changed: asyncio.Future[None] | None = None
        self._unbroken = 0
        self._head_start: asyncio.TimerHandle | None = None
        self._filling = False

    def __len__(self) -> int:
        return len(self._ahead)

    def __bool__(self) -> bool:
        return bool(self._ahead) or self._next is not None

    @property
    def bytes_received(self) -> int:
        """Encoded bytes that came for the loads ahead."""
        return sum([ahead.bytes_received for ahead in self._ahead])  # a list: this is asked for with every image

    def start(self) -> None:
        """Start the first load; the others when it is here, or has had its time, and not in its way."""
        self._head_start = asyncio.get_running_loop().call_later(_HEAD_START_SECONDS, self._let_go)
        self._fill(1)

    def fill(self) -> None:
        """Start loads as far as the bounds allow, unless the first has its head start."""
        if self._head_start is None:
            self._fill(self._bounds.images)

    def _let_go(self) -> None:
        if self._head_start is not None:
            self._head_start.cancel()
            self._head_start = None
            self.fill()

    def _fill(self, most: int) -> None:
        if self._filling:
            return  # what has begun here was in the cache, and there may be room for the next already
        self._filling = True
        try:
            while self._next is not None and len(self._ahead) < most:
                expected = self._next.series.image_bytes or self._largest
                if self._ahead and self._nbytes + expected > self._bounds.nbytes:
                    return
                place, self._next = self._next, next(self._places, None)
                self._begin(place, expected)
        finally:
            self._filling = False

    async def take(self) -> tuple[Place, Image | ImageFailure, int]:
        """The next image, or why it could not be had, with its place and the bytes that came for it.

        Raises:
            asyncio.CancelledError: Its load was cancelled, as a session's end does.
        """
        self._unbroken += 1
        if self._unbroken > _UNBROKEN:
            self._unbroken = 0
            await asyncio.sleep(0)  # what is there already would keep the loop from everybody else
        while (ahead := self._first()) is None:
            self._unbroken = 0
            self._changed = asyncio.get_running_loop().create_future()
            await self._changed
        self._nbytes -= ahead.nbytes
        del self._ahead[ahead]
        return ahead.place, ahead.outcome(), ahead.bytes_received

    def close(self) -> None:
        """Cancel what is ahead."""
        ahead, self._ahead, self._next = self._ahead, {}, None
        if self._head_start is not None:
            self._head_start.cancel()
            self._head_start = None
        self._arrived.clear()
        for one in ahead:
            if one.signal is None:
                self._loads.leave(one.member)

    def _begin(self, place: Place, expected: int) -> None:
        ahead = _Ahead(place, self, expected)
        self._ahead[ahead] = None
        self._nbytes += expected
        ahead.member = self._want(place, ahead)
        self._loads.join(ahead.member)

    def _first(self) -> _Ahead | None:
        """What is to be handed over next, if it is here."""
        if not self._bounds.in_order:
            return self._arrived.popleft() if self._arrived else None
        first = next(iter(self._ahead), None)
        return first if first is not None and first.signal is not None else None

    def ended(self, ahead: _Ahead, nbytes: int) -> None:
        """A load has ended; an image that is here counts with its true size."""
        if ahead in self._ahead:
            grown, ahead.nbytes = nbytes - ahead.nbytes, nbytes
            self._nbytes += grown
            self._largest = max(self._largest, nbytes)
            if not self._bounds.in_order:
                self._arrived.append(ahead)
            if grown < 0:
                self.fill()
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
        if self._head_start is not None:
            asyncio.get_running_loop().call_soon(self._let_go)  # behind the reader, whom this woke


class _Ahead:
    """One load ahead, and its observer.

    Attributes:
        signal: How it ended: an image, or an error; `None` while it has not.
        nbytes: Of its image, or as many as are expected.
    """

    __slots__ = ("_image", "_window", "member", "nbytes", "place", "signal")

    def __init__(self, place: Place, window: Window, nbytes: int) -> None:
        self.place = place
        self.nbytes = nbytes
        self.signal: Image | BaseException | None = None
        self.member: Member
        self._image: Image | None = None
        self._window = window

    @property
    def bytes_received(self) -> int:
        return self.member.rank.received

    def on_next(self, image: Image) -> None:
        self._image = image

    def on_error(self, error: Exception) -> None:
        self._end(error, 0)

    def on_completed(self) -> None:
        image = self._image
        assert image is not None  # completion without one is an error, see `SharedLoads.end`
        self._end(image, image.nbytes)

    def on_cancelled(self) -> None:
        self._end(asyncio.CancelledError(f"{self.place.image_id}: cancelled"), 0)

    def _end(self, signal: Image | BaseException, nbytes: int) -> None:
        self.signal, self._image = signal, None
        self._window.ended(self, nbytes)

    def outcome(self) -> Image | ImageFailure:
        assert self.signal is not None
        if isinstance(self.signal, ImageLoadError):
            return ImageFailure(self.place.image_id, self.place.index, self.signal, self.place.series)
        if isinstance(self.signal, BaseException):
            raise self.signal
        return self.signal
