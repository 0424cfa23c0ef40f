"""Images as a stream: in order, a bounded number of loads ahead, at the pace of whoever reads."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from reactivex import Observable
from reactivex.disposable import SerialDisposable

from cornerstream.images.errors import ObserverError
from cornerstream.operators.bridge import from_async_generator, running_tasks
from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.load import Load
    from cornerstream.loop_host import LoopHost


class LoadMaker(Protocol):
    """Makes a load of the session."""

    def __call__(self, image_id: ImageId, rank: Rank, /, *, target: PixelTarget | None) -> Load:
        """A load at a rank, its pixels where they are wanted."""
        ...


class ImageStream:
    """The images of a series, in its order: subscribe, `async for`, or plain `for`.

    ::

        image ids   0 1 2 3 4 5 …       at most `ahead` of them loading or waiting to be read
        images      ──0──1─2───3──4─5|

    Each subscription or iteration is a run of its own. Memory holds the images ahead and no more: the next load starts
    when an image has been taken. The first failure ends the run with that error. Disposing, or leaving the iteration,
    cancels what is ahead.

    Args:
        image_ids: What to load, in order.
        host: The session's loop.
        load: Makes a load at a rank.
        tasks: Where the session holds its tasks.
        ahead: Loads ahead of the reader, from 1.
        lane: The lane they run in.
        targets: Where the pixels of each image are wanted.
    """

    def __init__(
        self,
        image_ids: Sequence[ImageId],
        host: LoopHost,
        load: LoadMaker,
        tasks: set[asyncio.Task[Any]],
        *,
        ahead: int = 8,
        lane: Lane = Lane.PREFETCH,
        targets: Sequence[PixelTarget] | None = None,
    ) -> None:
        if ahead < 1:
            raise ValueError(f"ahead is at least 1, not {ahead}")
        self._image_ids = image_ids
        self._host = host
        self._load = load
        self._tasks = tasks
        self._ahead = ahead
        self._lane = lane
        self._targets = targets
        self.observable: Observable[Image] = Observable(self._subscribe)

    def __len__(self) -> int:
        return len(self._image_ids)

    def subscribe(self, *args: Any, **kwargs: Any) -> DisposableBase:
        """As `Observable.subscribe`; observers are called on the session's loop."""
        return self.observable.subscribe(*args, **kwargs)

    def pipe(self, *operators: Callable[[Any], Any]) -> Any:
        """As `Observable.pipe`."""
        return self.observable.pipe(*operators)

    def __aiter__(self) -> AsyncGenerator[Image, None]:  # noqa: PYI058 - one that can be closed
        return self._run() if self._host.is_current() else self._from_elsewhere()

    def __iter__(self) -> Iterator[Image]:
        images = self._run()
        try:
            while (image := self._host.block(_next(images))) is not None:
                yield image
        finally:
            if not self._host.has_ended:  # else the loop has closed it
                self._host.block(_close(images))

    async def _from_elsewhere(self) -> AsyncGenerator[Image, None]:
        images = self._run()
        try:
            while (image := await self._host.run(_next(images))) is not None:
                yield image
        finally:
            if not self._host.has_ended:
                await self._host.run(_close(images))

    async def _run(self) -> AsyncGenerator[Image, None]:
        """The one run behind every face: a window of loads that moves as images are taken."""
        ids = enumerate(self._image_ids)
        ahead: deque[tuple[Load, asyncio.Future[Image]]] = deque(
            self._start(*item) for item in islice(ids, self._ahead)
        )
        try:
            while ahead:
                image = await ahead[0][1]
                ahead.popleft()
                ahead.extend(self._start(*item) for item in islice(ids, 1))
                yield image
                del image  # the reader has it now
        finally:
            for load, future in ahead:
                load.cancel()
                if future.done() and not future.cancelled():
                    future.exception()  # looked at, so that nobody reports it

    def _start(self, index: int, image_id: ImageId) -> tuple[Load, asyncio.Future[Image]]:
        target = None if self._targets is None else self._targets[index]
        load = self._load(image_id, Rank(self._lane, index), target=target)
        return load, load.begin()

    def _subscribe(self, observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
        subscription = SerialDisposable()

        def begin() -> None:
            if subscription.is_disposed:
                return
            token = running_tasks.set(self._tasks)
            try:
                subscription.disposable = from_async_generator(self._run).subscribe(
                    lambda image: _hand_on(observer, image), observer.on_error, observer.on_completed
                )
            finally:
                running_tasks.reset(token)

        self._host.call(begin)
        return subscription


def _hand_on(observer: ObserverBase[Image], image: Image) -> None:
    try:
        observer.on_next(image)
    except Exception as error:
        raise ObserverError(f"on_next raised {error!r}", image_id=image.image_id) from error


async def _next(images: AsyncGenerator[Image, None]) -> Image | None:
    return await anext(images, None)


async def _close(images: AsyncGenerator[Image, None]) -> None:
    await images.aclose()
