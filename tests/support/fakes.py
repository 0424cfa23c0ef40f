"""Loaders that tests hold in their hands."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import FrameMetadata, ImageQuality
from cornerstream.operators.bridge import from_async_generator
from cornerstream.registry import LoaderRegistry
from tests.support.under_way import UnderWay

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cornerstream.loaders.context import LoadContext


def make_image(image_id: ImageId | str, size: int = 8, quality: ImageQuality = ImageQuality.COMPLETE) -> Image:
    """A square grey image of uint16."""
    metadata = FrameMetadata(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=size,
        columns=size,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=16,
        bits_stored=16,
        high_bit=15,
    )
    pixels = np.zeros((size, size), np.uint16)
    return Image.of(DecodedFrame(metadata, pixels, "MONOCHROME2"), ImageId.parse(image_id), quality)


class HeldLoader(UnderWay[str]):
    """A loader whose loads wait until the test lets them go; the keys are image ids."""

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.partial = False
        self._size = size
        self._gates: dict[str, asyncio.Event] = {}
        self._errors: dict[str, Exception] = {}

    @property
    def starts(self) -> Counter[str]:
        """Loads begun, by image id."""
        return Counter(self.started)

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, from_async_generator(lambda: self._run(image_id, context)))

    def release(self, *image_ids: str) -> None:
        """Let loads come to their end."""
        for image_id in image_ids:
            self._gate(image_id).set()

    def hold(self, image_id: str) -> None:
        """Let later loads of an image wait again, and not fail."""
        self._gate(image_id).clear()
        self._errors.pop(image_id, None)

    def fail(self, image_id: str, error: Exception) -> None:
        """Let a load end in an error."""
        self._errors[image_id] = error
        self.release(image_id)

    def _gate(self, image_id: str) -> asyncio.Event:
        return self._gates.setdefault(image_id, asyncio.Event())

    async def _run(self, image_id: ImageId, context: LoadContext) -> AsyncGenerator[Image, None]:
        name = str(image_id)
        async with self.under_way(name):
            if self.partial:
                yield make_image(image_id, self._size, ImageQuality.PARTIAL)
            await self._gate(name).wait()
            if name in self._errors:
                raise self._errors[name]
            yield make_image(image_id, self._size)


def registry_of(**loaders: object) -> LoaderRegistry:
    """A registry of its own, with these loaders by scheme."""
    registry = LoaderRegistry()
    for scheme, loader in loaders.items():
        registry.register(scheme, loader)  # type: ignore[arg-type]  # tests pass what they mean to
    return registry
