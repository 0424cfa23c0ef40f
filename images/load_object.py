"""The image load object: an observable of images, and a cancel that is its disposal."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeAlias

import reactivex as rx
from reactivex import Observable

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.stage import follow
from cornerstream.images.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.subscriptions import Observer

    _Signal: TypeAlias = Image | BaseException | None


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
    object, and subscribing again stays silent; `result()` and `await` raise `CancelledError`, also when the image was
    just about to be handed over.

    Args:
        image_id: The image that is loaded.
        source: Emits 1..n images of rising quality, the last one complete, then completes.
        progress: Emits `Progress` while bytes come; empty where the loader counts none.

    Attributes:
        image_id: The image that is loaded.
    """

    def __init__(
        self, image_id: ImageId, source: Observable[Image], progress: Observable[Progress] | None = None
    ) -> None:
        self.image_id = image_id
        self._source = source
        self._bytes_so_far = progress
        self._subscriptions = Subscriptions()

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled else f"{len(self._subscriptions)} subscribed"
        return f"<ImageLoadObject {self.image_id.shown} ({state})>"

    @property
    def observable(self) -> Observable[Image]:
        """The images; cold. Made when it is asked for: most loads are awaited and need none."""
        return Observable(self._observed)

    @property
    def progress(self) -> Observable[Progress]:
        """The bytes; silent after `cancel()` too."""
        return Observable(partial(self._subscriptions.connect, self._bytes_observed()))

    def subscribe(self, observer: Observer[Image]) -> DisposableBase:
        """As `observable.subscribe(observer)`, without the observer and the disposable that Rx puts around each.

        The observer has to bear signals before this returns, when the image is there already.
        """
        return self._subscriptions.attach(self._attach, observer)

    @property
    def cancelled(self) -> bool:
        """`cancel()` was called."""
        return self._subscriptions.cancelled

    def cancel(self) -> None:
        """Dispose every subscription made through this object; other holders of the image are not disturbed.

        Called on the loop, nothing is delivered after it returns; from another thread, nothing that has not begun to be
        delivered is. May be called more than once, and after the load has ended.
        """
        self._subscriptions.cancel()

    def result(self, timeout: float | None = None) -> Image:
        """Block until the complete image is there.

        Args:
            timeout: Seconds to wait; `None` waits without end. The load is disposed when they are over.

        Raises:
            ImageLoadError: The load failed.
            concurrent.futures.CancelledError: The load was cancelled.
            TimeoutError: The time is over.
            RuntimeError: The loop that the load needs runs in this thread; use `await` there.
        """
        if self._would_wait_for_itself():
            raise RuntimeError("result() would block the event loop that the load needs; use `await load` here")
        signals: SimpleQueue[_Signal] = SimpleQueue()
        last = _LastSignal(signals.put)
        subscription = self.subscribe(last)
        try:
            signal = signals.get(timeout=timeout)
        except Empty:
            raise TimeoutError(f"{self.image_id.shown}: not complete within {timeout:g} s") from None
        finally:
            subscription.dispose()
        if self.cancelled:
            raise CancelledError(f"{self.image_id.shown}: cancelled")
        return self._opened(signal)

    def __await__(self) -> Generator[Any, None, Image]:
        return self._last().__await__()

    async def __aiter__(self) -> AsyncGenerator[Image, None]:
        """The images of rising quality as they come; leaving the iteration disposes the load (`aclosing`: at once)."""
        signals: asyncio.Queue[_Signal] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        subscription = self.subscribe(_Signals(partial(_call, loop, get_ident(), signals.put_nowait)))
        try:
            while (signal := await signals.get()) is not None or self.cancelled:
                if self.cancelled:
                    raise asyncio.CancelledError(f"{self.image_id.shown}: cancelled")
                yield self._opened(signal)
        finally:
            subscription.dispose()

    def begin(self) -> asyncio.Future[Image]:
        """Subscribe now; the future of the complete image, on the running loop.

        Cancelling the future disposes that subscription; `cancel()` cancels the future.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Image] = loop.create_future()
        resolve = partial(_call, loop, get_ident(), partial(self._resolve, future))
        subscription = self.subscribe(_LastSignal(resolve))
        if not future.done():
            future.add_done_callback(lambda _: subscription.dispose())
        return future

    def _attach(self, observer: Observer[Image]) -> DisposableBase:
        """Subscribe to the source, whatever it is."""
        return follow(self._source, observer)

    def _observed(self, observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
        return self.subscribe(observer)

    def _bytes_observed(self) -> Observable[Progress]:
        return rx.empty() if self._bytes_so_far is None else self._bytes_so_far

    def _would_wait_for_itself(self) -> bool:
        """Blocking this thread would stop what is waited for; where that is not known, any running loop may be it."""
        return _in_loop()

    async def _last(self) -> Image:
        image = await self.begin()
        if self.cancelled:  # between the image and this moment
            raise asyncio.CancelledError(f"{self.image_id.shown}: cancelled")
        return image

    def _resolve(self, future: asyncio.Future[Image], signal: _Signal) -> None:
        if future.done():
            return
        if self.cancelled:
            future.cancel(f"{self.image_id.shown}: cancelled")
            return
        outcome = self._outcome(signal)  # not raised: its traceback would hold this frame, which holds it
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _opened(self, signal: _Signal) -> Image:
        outcome = self._outcome(signal)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _outcome(self, signal: _Signal) -> Image | BaseException:
        if signal is None:
            return ImageLoadError("its loader completed without an image", image_id=self.image_id)
        return signal


class _Signals:
    """Puts every signal into a queue: an image, an error, or `None` at the end, be it completion or `cancel()`."""

    def __init__(self, put: Callable[[_Signal], object]) -> None:
        self._put = put

    def on_next(self, image: Image) -> None:
        self._put(image)

    def on_error(self, error: Exception) -> None:
        self._put(error)

    def on_completed(self) -> None:
        self._put(None)

    def on_cancelled(self) -> None:
        self._put(None)


class _LastSignal(_Signals):
    """Puts one signal: the last image, an error, or `None`."""

    _image: Image | None = None

    def on_next(self, image: Image) -> None:
        self._image = image

    def on_completed(self) -> None:
        self._put(self._image)


def _call(loop: asyncio.AbstractEventLoop, thread: int, function: Callable[[_Signal], object], signal: _Signal) -> None:
    """Hand a signal to a loop; from the loop's own thread without waking it."""
    if get_ident() == thread:
        function(signal)
    else:
        loop.call_soon_threadsafe(function, signal)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
