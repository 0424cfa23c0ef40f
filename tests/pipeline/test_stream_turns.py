"""A stream of images that are there already leaves the loop its turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.session import Session
from tests.support.fakes import make_image, registry_of

if TYPE_CHECKING:
    from cornerstream.loaders.context import LoadContext

IDS = [ImageId("held", str(index)) for index in range(100)]


def load_at_once(image_id: ImageId, _: LoadContext) -> ImageLoadObject:
    return ImageLoadObject(image_id, rx.just(make_image(image_id)))


async def test_images_that_need_no_waiting_do_not_keep_the_loop() -> None:
    async with Session(registry=registry_of(held=load_at_once)) as session:
        for _ in ("loaded", "cached"):
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    await asyncio.sleep(0)
                    turns += 1

            counting = asyncio.create_task(count())
            await asyncio.sleep(0)
            assert len([image async for image in session.stream(IDS)]) == len(IDS)
            counting.cancel()
            assert turns >= len(IDS) // 10
