"""What stands between a session and the loader under test, and hears everything."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex.disposable import Disposable

from cornerstream.images.load_object import ImageLoadObject
from cornerstream.testing.case import ConformanceError
from cornerstream.testing.leftovers import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import ImageLoader, LoadContext
    from cornerstream.operators.protocols import HttpRequest, HttpResponse, Transport, Workers
    from cornerstream.session import Session
    from cornerstream.testing.case import LoaderCase

T = TypeVar("T")


class Heard:
    """An observer that writes down.

    Attributes:
        images: In the order they came.
        errors: At most one, where a loader keeps to the rules.
        completed: How often.
        late: What came when nothing was to come any more.
        over: Nothing is to come any more.
    """

    def __init__(self, onward: ObserverBase[Image] | None = None) -> None:
        self.images: list[Image] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.late: list[object] = []
        self.over = False
        self.ended = threading.Event()  # a loader may call from any thread
        self._onward = onward

    @property
    def count(self) -> int:
        """Signals of every kind."""
        return len(self.images) + len(self.errors) + self.completed

    def on_next(self, image: Image) -> None:
        """Hear an image."""
        self._hear(self.images, image)
        if self._onward is not None:
            self._onward.on_next(image)

    def on_error(self, error: Exception) -> None:
        """Hear an error."""
        self._hear(self.errors, error)
        self._end()
        if self._onward is not None:
            self._onward.on_error(error)

    def on_completed(self) -> None:
        """Hear the end."""
        self._hear([], "completion")
        self.completed += 1
        self._end()
        if self._onward is not None:
            self._onward.on_completed()

    def _hear(self, where: list[T], signal: T) -> None:
        if self.over or self.ended.is_set():
            self.late.append(signal)
        where.append(signal)

    def _end(self) -> None:
        self.ended.set()


class Spy:
    """A loader that is the one under test, and keeps what it did.

    Attributes:
        calls: How often it was asked for an image load object.
        heard: What its observables sent, one after the other.
        raised: What it raised when it was called.
    """

    def __init__(self, load: ImageLoader) -> None:
        self._load = load
        self.calls = 0
        self.heard: list[Heard] = []
        self.raised: list[Exception] = []

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        """Ask the loader under test, and listen to what it sends."""
        self.calls += 1
        try:
            loaded = self._load(image_id, context)
        except Exception as error:
            self.raised.append(error)
            raise

        def subscribe(observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
            heard = Heard(observer)
            self.heard.append(heard)
            upstream = loaded.subscribe(heard)

            def dispose() -> None:
                heard.over = True
                upstream.dispose()

            return Disposable(dispose)

        return ImageLoadObject(image_id, Observable(subscribe))

    @property
    def late(self) -> list[object]:
        """What its observables sent after their end, or after they were left."""
        return [signal for heard in self.heard for signal in heard.late]


class Counted:
    """The transport and the workers of a context; counts what is asked of either."""

    def __init__(self, http: Transport, workers: Workers) -> None:
        self._http = http
        self._workers = workers
        self.count = 0

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        """Count, and open."""
        self.count += 1
        return self._http.open(request)

    def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> Awaitable[T]:
        """Count, and run."""
        self.count += 1
        return self._workers.run(function, *args, holds_lock=holds_lock)


async def context_of(session: Session, case: LoaderCase, captured: Captured) -> tuple[LoadContext, Counted, Any]:
    """A context as the session makes it for a load, what counts in it, and what keeps it alive until it is disposed.

    Args:
        session: Made with `captured` as its loader.
        case: Whose image it is for.
        captured: Keeps the context.
    """
    subscription = session.load(case.image_id).observable.subscribe()
    if not await until(lambda: captured.contexts, case.seconds):
        raise ConformanceError("the session did not ask for a load")
    context = captured.contexts[-1]
    counted = Counted(context.http, context.workers)
    return replace(context, http=counted, workers=counted), counted, subscription


class Captured:
    """A loader that loads nothing, and keeps the contexts it was given."""

    def __init__(self) -> None:
        self.contexts: list[LoadContext] = []

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        """Keep the context."""
        self.contexts.append(context)
        return ImageLoadObject(image_id, rx.never())
