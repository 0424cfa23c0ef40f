"""Sources of image load objects, and what listens to them."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import ImageQuality

if TYPE_CHECKING:
    from collections.abc import Callable

ID = ImageId.parse("test:image?frame=2")


def an_image(quality: ImageQuality = ImageQuality.COMPLETE) -> Image:
    return Image(
        image_id=ID,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=2,
        columns=3,
        photometric_interpretation="MONOCHROME2",
        pixels=np.zeros((2, 3), np.uint8),
        quality=quality,
    )


class Source:
    """A subject that knows who listens, and can be watched from other threads."""

    def __init__(self) -> None:
        self.subject: Subject[Image] = Subject()
        self.subscriptions = 0
        self.disposed = 0
        self.subscribed = threading.Event()
        self.released = threading.Event()
        self.observable: Observable[Image] = Observable(self._subscribe)

    def _subscribe(self, observer: Any, scheduler: Any = None) -> Disposable:
        inner = self.subject.subscribe(observer, scheduler=scheduler)
        self.subscriptions += 1
        self.subscribed.set()

        def dispose() -> None:
            self.disposed += 1
            inner.dispose()
            self.released.set()

        return Disposable(dispose)

    def load(self) -> ImageLoadObject:
        return ImageLoadObject(ID, self.observable)


class Recorder:
    """Writes down every signal."""

    def __init__(self) -> None:
        self.signals: list[Any] = []

    def on_next(self, value: Any) -> None:
        self.signals.append(value)

    def on_error(self, error: Exception) -> None:
        self.signals.append(error)

    def on_completed(self) -> None:
        self.signals.append("completed")


def record(load: ImageLoadObject) -> Recorder:
    recorder = Recorder()
    load.observable.subscribe(recorder.on_next, recorder.on_error, recorder.on_completed)
    return recorder


def in_thread(function: Callable[[], Any]) -> concurrent.futures.Future[Any]:
    """Run beside the test; the future keeps what it raised."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the future carries it to the test
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
