"""Loaders that fail, are cancelled, or end in a wrong way."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

from reactivex.disposable import Disposable

from cornerstream.images.errors import ImageIdError, ImageLoadError
from tests.conformance.broken import FRAMES, OTHER, Good, OpensAFile, Unlike, image_of, pixels_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from reactivex.abc import DisposableBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject
    from cornerstream.images.subscriptions import Observer
    from cornerstream.loaders.context import LoadContext


# How it fails


class Untyped(Good):
    def check(self, image_id: ImageId) -> None:
        try:
            super().check(image_id)
        except ImageLoadError as error:
            raise KeyError(image_id.address) from error


class TypedAsAnything(Good):
    def check(self, image_id: ImageId) -> None:
        try:
            super().check(image_id)
        except ImageLoadError as error:
            raise ImageLoadError("something went wrong") from error


class BlamesAnother(Good):
    def check(self, image_id: ImageId) -> None:
        try:
            super().check(image_id)
        except ImageLoadError as error:
            raise error.about(OTHER) from None


class Swallows(Good):
    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        try:
            async for image in super().images(image_id, context):
                yield image
        except ImageLoadError:
            return


class Invents(Good):
    def check(self, image_id: ImageId) -> None:
        if image_id.number > len(FRAMES):
            raise ImageIdError(f"there is no frame {image_id.number}")


class KeepsFailures(Good):
    def __init__(self) -> None:
        self.failures: dict[ImageId, ImageLoadError] = {}

    def check(self, image_id: ImageId) -> None:
        if image_id in self.failures:
            raise self.failures[image_id]
        try:
            super().check(image_id)
        except ImageLoadError as error:
            self.failures[image_id] = error
            raise


# How it is cancelled, and what it leaves


class DeliversAfterwards(Good):
    """Disposing it does nothing."""

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        def follow(observer: Observer[Image]) -> DisposableBase:
            super(DeliversAfterwards, self).__call__(image_id, context).subscribe(observer)
            return Disposable()

        return Unlike(image_id, follow)


class SaysGoodbye(Good):
    """It completes when it is disposed."""

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        def follow(observer: Observer[Image]) -> DisposableBase:
            inner = super(SaysGoodbye, self).__call__(image_id, context).subscribe(observer)

            def dispose() -> None:
                inner.dispose()
                observer.on_completed()

            return Disposable(dispose)

        return Unlike(image_id, follow)


class CannotBeCancelled(Good):
    """It takes a cancellation for an error that it can bear."""

    seconds = 0.3

    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        self.check(image_id)
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        yield image_of(image_id, pixels_of(image_id.frame_index))


class KeepsItsTurn(Good):
    """Whoever is cancelled takes the lock along."""

    seconds = 0.3
    busy = False

    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        while self.busy:  # noqa: ASYNC110 - it is broken
            await asyncio.sleep(0)
        self.busy = True
        pixels = await context.workers.run(pixels_of, image_id.frame_index)
        self.busy = False
        yield image_of(image_id, pixels)


class LeavesATask(Good):
    seconds = 0.3

    async def images(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        self.task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
        async for image in super().images(image_id, context):
            yield image


class LeavesAThread(Good):
    seconds = 0.3

    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        threading.Timer(4, lambda: None).start()
        yield image_of(image_id, pixels)


class LeavesADescriptor(OpensAFile):
    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return Good.__call__(self, image_id, context)

    async def last(self, image_id: ImageId, pixels: Any, context: LoadContext) -> AsyncGenerator[Image, None]:
        self.files.append(os.open("/", os.O_RDONLY))
        yield image_of(image_id, pixels)
