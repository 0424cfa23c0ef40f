"""A loader as it should be, and loaders that are broken in one way each: in what they return, and in what they emit."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import reactivex as rx
from reactivex.disposable import Disposable

from cornerstream.images.array_frames import array_frames
from cornerstream.images.errors import FetchError, ImageIdError
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import ImageQuality
from cornerstream.operators.bridge import from_async_generator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from reactivex.abc import DisposableBase

    from cornerstream.images.subscriptions import Observer
    from cornerstream.loaders.context import LoadContext

FRAMES = np.arange(40, dtype=np.int16).reshape(2, 4, 5)
OTHER = ImageId("x", "other")


def pixels_of(index: int) -> np.ndarray[Any, Any]:
    """What a worker does for the good loader."""
    pixels: np.ndarray[Any, Any] = FRAMES[index].copy()
    return pixels


def image_of(image_id: ImageId, pixels: np.ndarray[Any, Any], quality: ImageQuality = ImageQuality.COMPLETE) -> Image:
    frame = array_frames(pixels, {}).frame(1)
    metadata = frame.metadata.changed({"frame_number": image_id.number, "number_of_frames": 2})
    return Image.of(replace(frame, metadata=metadata), image_id, quality)


class Good:
    """A loader as it should be; what is broken changes one thing."""

    seconds = 20.0

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, from_async_generator(lambda: self.images(image_id, context)))

    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        await asyncio.sleep(0)
        self.check(image_id)
        pixels = await context.workers.run(pixels_of, image_id.frame_index)
        yield image_of(image_id, pixels, ImageQuality.PARTIAL)
        await asyncio.sleep(0)
        async for image in self.last(image_id, pixels, context):
            yield image

    async def last(
        self, image_id: ImageId, pixels: np.ndarray[Any, Any], context: LoadContext
    ) -> AsyncGenerator[Image, None]:
        yield image_of(image_id, pixels)

    def check(self, image_id: ImageId) -> None:
        if image_id.address != "good":
            raise FetchError(f"there is no {image_id.address}")
        if image_id.number > len(FRAMES):
            raise ImageIdError(f"there is no frame {image_id.number}")


class Unlike(ImageLoadObject):
    """An image load object that keeps none of the rules by itself."""

    def __init__(self, image_id: ImageId, follow: Callable[[Observer[Image]], DisposableBase]) -> None:
        super().__init__(image_id, rx.never())
        self._follow = follow

    def subscribe(self, observer: Observer[Image]) -> DisposableBase:
        return self._follow(observer)


# What it returns, and when it begins


class ReturnsNothing(Good):
    def __call__(self, image_id: ImageId, context: LoadContext) -> Any:
        return None


class ReturnsAnother(Good):
    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(OTHER, super().__call__(image_id, context).observable)


class RaisesAtOnce(Good):
    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        self.check(image_id)
        return super().__call__(image_id, context)


class StartsATask(Good):
    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        task = asyncio.ensure_future(asyncio.sleep(5))
        return Unlike(
            image_id,
            lambda observer: (task.cancel(), super(StartsATask, self).__call__(image_id, context).subscribe(observer))[
                1
            ],
        )


class AsksAWorker(Good):
    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        context.workers.run(pixels_of, 0)
        return super().__call__(image_id, context)


class StartsAThread(Good):
    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        threading.Timer(0.2, lambda: None).start()
        return super().__call__(image_id, context)


class OpensAFile(Good):
    def __init__(self) -> None:
        self.files: list[int] = []

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        self.files.append(os.open("/", os.O_RDONLY))
        return super().__call__(image_id, context)


class LoadsOnce(Good):
    """Its observable has one load in it, whoever subscribes."""

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        generator = self.images(image_id, context)
        return ImageLoadObject(image_id, from_async_generator(lambda: generator))


class UsedUp(Good):
    """It can be asked once; a file object that was read to its end does that."""

    used = False

    def check(self, image_id: ImageId) -> None:
        super().check(image_id)
        if self.used:
            raise FetchError("it was read before")
        self.used = True


# What it emits


class Falls(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        yield image_of(image_id, pixels)
        yield image_of(image_id, pixels, ImageQuality.PARTIAL)


class NeverComplete(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        yield image_of(image_id, pixels, ImageQuality.LOSSY)


class NeverEnds(Good):
    seconds = 0.3

    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        yield image_of(image_id, pixels)
        await asyncio.Event().wait()


class Empty(Good):
    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        await asyncio.sleep(0)
        nothing: tuple[Image, ...] = ()
        for image in nothing:
            yield image


class GoesOn(Good):
    """It sends once more after its end."""

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        def follow(observer: Observer[Image]) -> DisposableBase:
            observer.on_next(image_of(image_id, pixels_of(0)))
            observer.on_completed()
            observer.on_completed()
            return Disposable()

        return Unlike(image_id, follow)


class Short(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        yield image_of(image_id, pixels[:-1])


class OtherDtype(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        yield image_of(image_id, pixels.astype(np.int32))


class OnePixelOff(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        pixels[3, 4] += 1
        yield image_of(image_id, pixels)


class Writable(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        image = image_of(image_id, pixels)
        own = pixels.copy()
        object.__setattr__(image, "pixels", own)
        yield image


class NamesAnother(Good):
    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        yield image_of(OTHER, pixels)


class FirstFrameOnly(Good):
    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        self.check(image_id.with_frame(1))
        yield image_of(image_id, pixels_of(0))


class KeepsOut(Good):
    """It takes memory of a caller's for its own."""

    out: Any = None

    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        if context.target is not None and context.target.out is not None and context.target.out.shape == pixels.shape:
            self.out = context.target.out
            self.out[:] = pixels
        yield image_of(image_id, pixels if self.out is None else self.out)


class InTheMainThread(Good):
    def check(self, image_id: ImageId) -> None:
        super().check(image_id)
        if threading.current_thread() is not threading.main_thread():
            raise FetchError("it wants the main thread")
