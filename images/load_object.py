"""The image load object: an observable of images, and a cancel that is its disposal."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import reactivex as rx
from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of a load so far.

    Attributes:
        bytes_received: Bytes that came over the network or out of a file for this image.
        bytes_total: Bytes expected; `None` while the server has not said.
    """

    bytes_received: int
    bytes_total: int | None = None


class ImageLoadObject:
    """One load of one image: cold, cancellable, awaitable.

    Nothing starts before somebody subscribes, awaits, iterates or asks for the result; each subscription is a load of
    its own (the session joins those of the same image). After `cancel()` no signal reaches any subscriber of this
    object, and subscribing again stays silent; `result()` and `await` raise `CancelledError`.

    Args:
        image_id: The image that is loaded.
        source: Emits 1..n images of rising quality, the last one complete, then completes.
        progress: Emits `Progress` while bytes come; empty where the loader counts none.
    """

    def __init__(
        self, image_id: ImageId, source: Observable[Image], progress: Observable[Progress] | None = None
    ) -> None:
        self.image_id = image_id
        self.progress: Observable[Progress] = rx.empty() if progress is None else progress
        self._source = source
        self._lock = threading.Lock()  # cancel() and subscribe() may come from any thread
        self._cancelled = False
        self._live: set[_Subscription] = set()
        self.observable: Observable[Image] = Observable(self._subscribe)

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else f"{len(self._live)} subscribed"
        return f"<ImageLoadObject {self.image_id} ({state})>"

    @property
    def cancelled(self) -> bool:
        """`cancel()` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Dispose every subscription made through this object; other holders of the image are not disturbed.

        Called on the loop, nothing is delivered after it returns; from another thread, nothing that has not begun to be
        delivered is. May be called more than once, and after the load has ended.
        """
        with self._lock:
            self._cancelled = True
            live, self._live = self._live, set()
        for subscription in live:
            subscription.cancel()

    def result(self, timeout: float | None = None) -> Image:
        """Block until the complete image is there.

        Args:
            timeout: Seconds to wait; `None` waits without end. The load is disposed when they are over.

        Raises:
            ImageLoadError: The load failed.
            concurrent.futures.CancelledError: The load was cancelled.
            TimeoutError: The time is over.
            RuntimeError: A loop runs in this thread, which blocking would stop; use `await` there.
        """
        if _in_loop():
            raise RuntimeError("result() would block the running event loop; use `await load` here")
        future, subscription = self._future()
        try:
            return future.result(timeout)
        finally:
            subscription.dispose()

    def __await__(self) -> Generator[Any, None, Image]:
        return self._wait().__await__()

    async def __aiter__(self) -> AsyncGenerator[Image, None]:
        """The images of rising quality as they come; leaving the loop with `aclosing` disposes the load."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[Image | None, BaseException | None]] = asyncio.Queue()

        def put(image: Image | None, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, (image, error))

        subscription = self._listen(
            lambda image: put(image, None), lambda error: put(None, error), lambda: put(None, None)
        )
        try:
            while True:
                image, error = await queue.get()
                if isinstance(error, CancelledError):
                    raise asyncio.CancelledError
                if error is not None:
                    raise error
                if image is None:
                    return
                yield image
        finally:
            subscription.dispose()

    async def _wait(self) -> Image:
        future, subscription = self._future()
        try:
            return await asyncio.wrap_future(future)
        except CancelledError:  # `cancel()` was called; asyncio's own class is another one
            raise asyncio.CancelledError from None
        finally:
            subscription.dispose()

    def _future(self) -> tuple[Future[Image], DisposableBase]:
        """A future of the last image, and the subscription that fills it."""
        future: Future[Image] = Future()
        last: list[Image] = []

        def fail(error: BaseException) -> None:
            if not future.done():
                if isinstance(error, CancelledError):
                    future.cancel()
                else:
                    future.set_exception(error)

        def complete() -> None:
            if not future.done():
                if last:
                    future.set_result(last.pop())
                else:
                    future.set_exception(LookupError(f"{self.image_id}: its loader completed without an image"))

        def keep(image: Image) -> None:
            last[:] = [image]

        return future, self._listen(keep, fail, complete)

    def _listen(
        self,
        on_next: Callable[[Image], None],
        on_error: Callable[[BaseException], None],
        on_completed: Callable[[], None],
    ) -> DisposableBase:
        """Subscribe, and hear of `cancel()` as well (as CancelledError)."""
        outer = SingleAssignmentDisposable()
        subscription = _Subscription(on_cancel=lambda: on_error(CancelledError()))
        if self._enter(subscription):
            outer.disposable = CompositeDisposable(
                subscription.follow(self._source, on_next, on_error, on_completed, None),
                Disposable(lambda: self._leave(subscription)),
            )
        return outer

    def _subscribe(self, observer: ObserverBase[Image], scheduler: SchedulerBase | None = None) -> DisposableBase:
        subscription = _Subscription()
        if not self._enter(subscription):
            return Disposable()
        upstream = subscription.follow(
            self._source, observer.on_next, observer.on_error, observer.on_completed, scheduler
        )
        return CompositeDisposable(upstream, Disposable(lambda: self._leave(subscription)))

    def _enter(self, subscription: _Subscription) -> bool:
        with self._lock:
            if not self._cancelled:
                self._live.add(subscription)
                return True
        subscription.cancel()
        return False

    def _leave(self, subscription: _Subscription) -> None:
        with self._lock:
            self._live.discard(subscription)
        subscription.stop()


class _Subscription:
    """One subscriber of one load object; silent from the moment it is stopped."""

    __slots__ = ("_on_cancel", "_stopped", "_upstream")

    def __init__(self, on_cancel: Callable[[], None] | None = None) -> None:
        self._on_cancel = on_cancel
        self._stopped = False
        self._upstream = SingleAssignmentDisposable()

    def follow(
        self,
        source: Observable[Image],
        on_next: Callable[[Image], None],
        on_error: Callable[[Exception], None],
        on_completed: Callable[[], None],
        scheduler: SchedulerBase | None,
    ) -> DisposableBase:
        def forward(image: Image) -> None:
            if not self._stopped:
                on_next(image)

        def fail(error: Exception) -> None:
            if not self._stopped:
                on_error(error)

        def complete() -> None:
            if not self._stopped:
                on_completed()

        self._upstream.disposable = source.subscribe(forward, fail, complete, scheduler=scheduler)
        return self._upstream

    def stop(self) -> None:
        self._stopped = True
        self._on_cancel = None

    def cancel(self) -> None:
        self._stopped = True
        self._upstream.dispose()
        on_cancel, self._on_cancel = self._on_cancel, None
        if on_cancel is not None:
            on_cancel()


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
